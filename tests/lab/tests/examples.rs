//! Every example, built and started, and tried by the commands in its first lines.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use support::{PATIENCE, Server};
use tokio::io::{AsyncReadExt, BufReader};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

const NAMES: [&str; 9] =
    ["counter", "grpc", "hyper", "login", "purge-on-startup", "shop", "sql", "typed", "websocket"];

/// The programs of the examples, by name.
static PROGRAMS: LazyLock<HashMap<String, PathBuf>> = LazyLock::new(|| {
    let packages = NAMES.map(|name| format!("--package=example-{name}"));
    let output = Command::new(env!("CARGO"))
        .args(["build", "--bins", "--message-format=json-render-diagnostics"])
        .args(packages)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    let messages = String::from_utf8(output.stdout).unwrap();
    let programs = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).unwrap();
        let program = message["executable"].as_str()?;
        let name = message["target"]["name"].as_str()?;
        Some((name.to_owned(), PathBuf::from(program)))
    });
    programs.collect()
});

/// A running example, and an empty folder to try it in.
struct Example {
    server: Server,
    commands: Vec<String>,
    folder: PathBuf,
}

impl Example {
    async fn start(name: &str) -> Self {
        Self::start_with(name, &[]).await
    }

    async fn start_with(name: &str, variables: &[(&str, &str)]) -> Self {
        let program = program(name).await;
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        // What it needs of files lies beside its manifest.
        let _ = fs::copy(path(name, ".env"), folder.join(".env"));
        let variables = [&[("ADDR", "127.0.0.1:0")], variables].concat();
        let server = Server::start_in(&folder, program, &variables).await;
        Self { commands: commands(name, &server.address), server, folder }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    /// Runs a command, and gives what it prints until it ends or `enough` is printed.
    async fn run(&self, command: &str, enough: Option<&str>) -> String {
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", &format!("exec {command}")])
            .current_dir(&self.folder)
            .env("no_proxy", "*")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut text = Vec::new();
        let read = async {
            while stdout.read_buf(&mut text).await.unwrap() > 0 {
                let printed = String::from_utf8_lossy(&text);
                if enough.is_some_and(|enough| printed.contains(enough)) {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap();
        String::from_utf8(text).unwrap()
    }

    /// What curl prints, with the cookies of the commands before it.
    async fn curl(&self, arguments: &str) -> String {
        let command = format!("curl --silent --cookie-jar jar --cookie jar {arguments}");
        self.run(&command, None).await
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The program of an example.
async fn program(name: &str) -> &'static Path {
    let programs = tokio::task::spawn_blocking(|| &*PROGRAMS).await.unwrap();
    &programs[&format!("example-{name}")]
}

/// A file of an example.
fn path(name: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name).join(file)
}

/// The curl commands in the first lines of an example, for a server at this address.
fn commands(name: &str, address: &str) -> Vec<String> {
    let source = fs::read_to_string(path(name, "src/main.rs")).unwrap();
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let text = lines.collect::<Vec<_>>().join("\n");
    assert!(text.contains(&format!("Run: `cargo run -p example-{name}`")));
    assert!(text.contains("Try: "));
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with("curl "))
        .map(|code| code.replace("127.0.0.1:3000", address))
        .collect()
}

#[tokio::test]
async fn counter_and_hyper_count_visits() {
    for name in ["counter", "hyper"] {
        let example = Example::start(name).await;
        let [command] = &example.commands[..] else {
            panic!("{:?}", example.commands);
        };
        for visit in 1..=3 {
            let printed = example.run(command, None).await;
            assert_eq!(printed, format!("visits: {visit}\n"));
        }
    }
}

#[tokio::test]
async fn login_signs_in_and_out_everywhere() {
    let example = Example::start("login").await;
    let [sign_in, home] = &example.commands[..] else {
        panic!("{:?}", example.commands);
    };
    let page = example.run(sign_in, None).await;
    assert!(page.contains("Signed in as ada"), "{page}");
    let page = example.run(home, None).await;
    assert!(page.contains("(this one)"), "{page}");

    let elsewhere = sign_in.replace(" jar", " other-jar");
    let page = example.run(&elsewhere, None).await;
    assert_eq!(page.matches("<li>").count(), 2, "{page}");
    let everywhere = example.url("/logout-everywhere");
    let page = example.curl(&format!("--location --data '' {everywhere}")).await;
    assert!(page.contains("Password"), "{page}");
    let page = example.run(&home.replace(" jar", " other-jar"), None).await;
    assert!(page.contains("Password"), "{page}");

    example.run(sign_in, None).await;
    let logout = example.url("/logout");
    let page = example.curl(&format!("--location --data '' {logout}")).await;
    assert!(page.contains("Password"), "{page}");
    for user in ["ada", "nobody"] {
        let login = example.url("/login");
        let arguments =
            format!("--write-out '%{{http_code}}' --data 'user={user}&password=x' {login}");
        let page = example.curl(&arguments).await;
        assert!(page.contains("No such user") && page.ends_with("401"), "{page}");
    }
}

#[tokio::test]
async fn purge_on_startup_begins_anew_unless_told_otherwise() {
    let mut example = Example::start("purge-on-startup").await;
    let [visit] = &example.commands[..] else {
        panic!("{:?}", example.commands);
    };
    let address = example.server.address.clone();
    let visit = visit.clone();
    for count in 1..=2 {
        assert_eq!(example.run(&visit, None).await, format!("visits: {count}\n"));
    }
    for (switch, log, count) in [
        ("no", "the sessions are kept, as PURGE_SESSIONS_ON_STARTUP says", 3),
        ("", "", 0),
        ("True", "purged 1 sessions, ", 1),
    ] {
        example.server.interrupt();
        let ended = example.server.ended().await;
        assert!(ended.success());
        let program = program("purge-on-startup").await;
        let variables = [("ADDR", &*address), ("PURGE_SESSIONS_ON_STARTUP", switch)];
        if switch.is_empty() {
            let mut command = tokio::process::Command::new(program);
            command.current_dir(&example.folder).envs(variables).kill_on_drop(true);
            let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
            assert!(!output.status.success());
            let log = String::from_utf8_lossy(&output.stderr);
            assert!(log.contains("PURGE_SESSIONS_ON_STARTUP is not understood"), "{log}");
            // The server that is not there any more is started again for the next one.
            let variables = [("ADDR", &*address), ("PURGE_SESSIONS_ON_STARTUP", "off")];
            example.server = Server::start_in(&example.folder, program, &variables).await;
            // One that has answered heeds the interruption that comes next.
            assert_eq!(example.run(&visit, None).await, "visits: 4\n");
            continue;
        }
        example.server = Server::start_in(&example.folder, program, &variables).await;
        let logged = example.server.log_until(log).await;
        assert!(logged.contains("directory"), "{logged}");
        assert_eq!(example.run(&visit, None).await, format!("visits: {count}\n"));
    }
}

#[tokio::test]
async fn typed_keeps_a_struct_and_shows_its_notice_once() {
    let example = Example::start("typed").await;
    let [save] = &example.commands[..] else {
        panic!("{:?}", example.commands);
    };
    let page = example.run(save, None).await;
    assert!(page.contains("Saved, Ada."), "{page}");
    let page = example.curl(&example.url("/")).await;
    assert!(!page.contains("Saved"), "{page}");
    assert!(page.contains("value=\"Ada\"") && page.contains("color-scheme: dark"), "{page}");
    let hostile = example.url("/");
    let page = example.curl(&format!("--location --data 'name=<b>&theme=light' {hostile}")).await;
    assert!(page.contains("Saved, &lt;b&gt;."), "{page}");
}

#[tokio::test]
async fn websocket_saves_what_the_events_show() {
    let example = Example::start("websocket").await;
    let [events] = &example.commands[..] else {
        panic!("{:?}", example.commands);
    };
    let page = example.curl(&example.url("/")).await;
    assert!(page.contains("new WebSocket("), "{page}");
    let jar = fs::read_to_string(example.folder.join("jar")).unwrap();
    let token = jar.split_whitespace().last().unwrap();

    let url = format!("ws://{}/notes", example.server.address);
    let mut request = url.into_client_request().unwrap();
    let cookie = format!("id={token}").parse().unwrap();
    request.headers_mut().insert("cookie", cookie);
    let (mut socket, _) = connect_async(request).await.unwrap();
    for count in ["1", "2"] {
        socket.send(Message::text("note")).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert_eq!(answer.to_text().unwrap(), count);
    }
    let printed = example.run(events, Some("data: 2\n")).await;
    assert!(printed.contains("data: 2\n"), "{printed}");
}

#[tokio::test]
async fn grpc_client_keeps_its_token() {
    let example = Example::start("grpc").await;
    let output = tokio::process::Command::new(&PROGRAMS["client"])
        .env("ADDR", &example.server.address)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, output).await;
    let output = output.unwrap().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed, "visits: 1\nvisits: 2\nvisits: 3\n");
}

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
    let redis = tower_keep_test_servers::Redis::shared().fresh_url();
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
    let proxy = tower_keep_test_servers::Proxy::to_each(ports).await;
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

#[test]
fn no_example_is_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, NAMES);
}

/// On each database, a user who signed in is signed in still after the server was restarted.
#[tokio::test]
async fn sql_keeps_users_signed_in_over_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", place.path().join("sessions.db").display());
    let postgres = tower_keep_test_servers::Postgres::shared().url();
    let mariadb = tower_keep_test_servers::MariaDb::shared().url("keep");
    for store in [file, postgres, mariadb] {
        let mut example = Example::start_with("sql", &[("SESSION_STORE", &store)]).await;
        assert_eq!(example.run(&example.commands[0], None).await, "Signed in as ada.\n");
        let program = &PROGRAMS["example-sql"];
        let variables = [("ADDR", "127.0.0.1:0"), ("SESSION_STORE", &*store)];
        example.server = Server::start(program, &variables).await;
        example.commands = commands("sql", &example.server.address);
        assert_eq!(example.run(&example.commands[1], None).await, "Signed in as ada.\n");
        let logout =
            example.curl(&format!("--location --data '' {}", example.url("/logout"))).await;
        assert_eq!(logout, "Signed out.\n");
    }
}
