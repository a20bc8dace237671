//! The shop: by its commands, and by browsers that it must keep apart, on two instances too.

use serde_json::{Value, json};
use tower_keep_test_servers::{Proxy, Redis};

use crate::{
    example::{Example, PROGRAMS},
    support::Server,
};

#[tokio::test]
async fn shop_fills_a_cart_by_its_commands() {
    let example = Example::start("shop").await;
    let [sign_in, add, cart, everywhere] = &example.commands[..] else {
        panic!("{:?}", example.commands);
    };
    let page = example.run(&format!("curl {}", example.url("/")), None).await;
    assert!(page.contains("<title>Shop</title>"), "{page}");
    let refused = example.run(cart, None).await;
    assert_eq!(refused, json!({"error": "sign in first"}).to_string());

    let mut answers = Vec::new();
    for command in [sign_in, add, add, cart, everywhere] {
        let printed = example.run(command, None).await;
        answers.push(serde_json::from_str::<Value>(&printed).unwrap());
    }
    assert_eq!(answers[0], json!({"user": "ada", "role": "customer"}));
    let tea = json!({"id": "tea", "name": "Tea", "price": 450, "quantity": 4});
    assert_eq!(answers[3], json!({"items": [tea], "total": 1800, "count": 4}));
    assert_eq!(answers[4], json!({"revoked": 1}));
    assert_eq!(example.run(cart, None).await, refused);
}

/// A browser, each of whose requests is a new connection.
struct Browser {
    client: reqwest::Client,
    origin: String,
}

impl Browser {
    fn at(port: u16) -> Self {
        let client = reqwest::Client::builder().cookie_store(true).no_proxy();
        let client = client.pool_max_idle_per_host(0).user_agent("Firefox/145").build().unwrap();
        Self { client, origin: format!("http://127.0.0.1:{port}") }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method = method.parse().unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.origin));
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("POST", path, body).await
    }

    async fn sign_in(&self, user: &str, password: &str) {
        let credentials = json!({"user": user, "password": password});
        assert_eq!(self.post("/login", credentials).await.0, 200);
    }
}

/// Two instances on one Redis behind a proxy that sends each connection to the other one.
#[tokio::test(flavor = "multi_thread")]
async fn shop_needs_no_sticky_sessions() {
    let redis = Redis::shared().fresh_url();
    let variables = [("SESSION_STORE", &*redis)];
    let one = Example::start_with("shop", &variables).await;
    let other = Server::start(
        &PROGRAMS["example-shop"],
        &[("SESSION_STORE", &*redis), ("ADDR", "127.0.0.1:0")],
    )
    .await;
    let ports = [&one.server, &other].map(|server| {
        let (_, port) = server.address.rsplit_once(':').unwrap();
        port.parse().unwrap()
    });
    let proxy = Proxy::to_each(ports).await;
    let [ada, phone, grace] = std::array::from_fn(|_| Browser::at(proxy.port()));

    // Each of them is asked twice: once on each instance.
    for browser in [&ada, &ada] {
        for path in ["/profile", "/cart", "/admin/sessions", "/admin/analytics"] {
            assert_eq!(browser.get(path).await, (401, json!({"error": "sign in first"})), "{path}");
        }
        for body in [json!({}), json!({"user": "ada"}), json!({"user": "ada", "password": ""})] {
            assert_eq!(browser.post("/login", body).await.0, 400);
        }
        let wrong = json!({"user": "ada", "password": "compiler"});
        assert_eq!(browser.post("/login", wrong).await.0, 401);
    }

    ada.sign_in("ada", "analytical").await;
    phone.sign_in("ada", "analytical").await;
    let profile = json!({"name": "Ada", "email": "ada@example.org"});
    assert_eq!(ada.post("/update-profile", profile.clone()).await, (200, profile.clone()));
    for _ in 0..2 {
        let (status, shown) = ada.get("/profile").await;
        assert_eq!((status, &shown["profile"], &shown["user"]), (200, &profile, &json!("ada")));
        let (_, shown) = phone.get("/profile").await;
        assert_eq!(shown["profile"]["name"], "");
    }

    // At once and on both instances, none of them lost.
    let tea = json!({"product": "tea"});
    let additions = (0..20).map(|_| ada.post("/cart/add", tea.clone()));
    for (status, _) in futures_util::future::join_all(additions).await {
        assert_eq!(status, 200);
    }
    let kettle = json!({"product": "kettle", "quantity": 2});
    assert_eq!(ada.post("/cart/add", kettle).await.0, 200);
    for body in [json!({"product": "tea", "quantity": 0}), json!({"quantity": 1})] {
        assert_eq!(ada.post("/cart/add", body).await.0, 400);
    }
    assert_eq!(ada.post("/cart/add", json!({"product": "sword"})).await.0, 404);
    for _ in 0..2 {
        let (_, cart) = ada.get("/cart").await;
        assert_eq!((&cart["total"], &cart["count"]), (&json!(20 * 450 + 2 * 3900), &json!(22)));
        assert_eq!(cart["items"].as_array().unwrap().len(), 2);
        assert_eq!(phone.get("/cart").await.1["count"], 0);
    }

    grace.sign_in("grace", "compiler").await;
    for _ in 0..2 {
        for path in ["/admin/sessions", "/admin/analytics", "/admin/users/ada/activity"] {
            assert_eq!(
                ada.get(path).await,
                (403, json!({"error": "this is for admins"})),
                "{path}"
            );
        }
        let (_, page) = grace.get("/admin/sessions").await;
        assert_eq!(page["sessions"].as_array().unwrap().len(), 3);
        assert_eq!(page["sessions"][0]["agent"], "Firefox/145");
        let (_, figures) = grace.get("/admin/analytics").await;
        assert_eq!((&figures["active"], &figures["users"]), (&json!(3), &json!(2)));
        assert_eq!(figures["by_role"], json!({"customer": 2, "admin": 1}));
        let (_, activity) = grace.get("/admin/users/ada/activity").await;
        assert_eq!(activity["sessions"].as_array().unwrap().len(), 2);
    }

    let empty = json!({"items": [], "total": 0, "count": 0});
    assert_eq!(ada.ask("DELETE", "/cart/clear", Value::Null).await, (200, empty.clone()));
    for _ in 0..2 {
        assert_eq!(ada.get("/cart").await, (200, empty.clone()));
    }

    assert_eq!(phone.post("/logout-all", Value::Null).await, (200, json!({"revoked": 2})));
    for browser in [&ada, &ada, &phone, &phone] {
        assert_eq!(browser.get("/cart").await.0, 401);
    }
    assert_eq!(grace.post("/logout", Value::Null).await.0, 200);
    for _ in 0..2 {
        assert_eq!(grace.get("/admin/sessions").await.0, 401);
    }
}

/// Whoever signs in after somebody else in one browser finds nothing of theirs.
#[tokio::test]
async fn shop_keeps_users_of_one_browser_apart() {
    let example = Example::start("shop").await;
    let (_, port) = example.server.address.rsplit_once(':').unwrap();
    let browser = Browser::at(port.parse().unwrap());
    browser.sign_in("grace", "compiler").await;
    assert_eq!(browser.post("/cart/add", json!({"product": "cup"})).await.1["count"], 1);
    browser.sign_in("grace", "compiler").await;
    assert_eq!(browser.get("/cart").await.1["count"], 1);
    browser.sign_in("ada", "analytical").await;
    assert_eq!(browser.get("/cart").await.1["count"], 0);
    assert_eq!(browser.get("/admin/sessions").await.0, 403);
}
