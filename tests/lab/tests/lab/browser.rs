//! A client that keeps cookies: [`Browser`].

use reqwest::{
    Client, Method, Response, StatusCode,
    header::{COOKIE, HeaderMap, SET_COOKIE},
};
use serde_json::Value;

use crate::support::{PATIENCE, Server};

/// A client that keeps cookies. Its copies share them.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    base: String,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Browser {
    pub(crate) fn new(server: &Server) -> Self {
        Self::with(server, true)
    }

    /// One that keeps nothing.
    pub(crate) fn forgetful(server: &Server) -> Self {
        Self::with(server, false)
    }

    fn with(server: &Server, keeps_cookies: bool) -> Self {
        let client = Client::builder()
            .no_proxy()
            .cookie_store(keeps_cookies)
            .user_agent("lab-test")
            .timeout(PATIENCE)
            .build()
            .unwrap();
        Self { client, base: format!("http://{}", server.address) }
    }

    pub(crate) async fn get(&self, route: &str) -> Value {
        let reply = self.send(Method::GET, route).await;
        assert_eq!(reply.status, 200, "{route}: {reply:?}");
        reply.json
    }

    pub(crate) async fn post(&self, route: &str) -> Value {
        let reply = self.send(Method::POST, route).await;
        assert_eq!(reply.status, 200, "{route}: {reply:?}");
        reply.json
    }

    /// Sets a field to any text.
    pub(crate) async fn put(&self, k: &str, v: &str) {
        let url = format!("{}/put", self.base);
        let request = self.client.post(url).query(&[("k", k), ("v", v)]);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }

    pub(crate) async fn send(&self, method: Method, route: &str) -> Reply {
        self.send_with(method, route, &[]).await
    }

    pub(crate) async fn send_with(
        &self,
        method: Method,
        route: &str,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut request = self.client.request(method, format!("{}{route}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        Reply {
            status: response.status(),
            headers: response.headers().clone(),
            json: response.json().await.unwrap_or_default(),
        }
    }

    /// What a token sees as the cookie `id`.
    pub(crate) async fn get_as(&self, token: &str, route: &str) -> Value {
        let cookie = format!("id={token}");
        let headers = [(COOKIE.as_str(), cookie.as_str())];
        self.send_with(Method::GET, route, &headers).await.json
    }

    /// The response, or an error if the connection ended before it.
    pub(crate) async fn try_post(&self, route: &str) -> reqwest::Result<Response> {
        self.client.post(format!("{}{route}", self.base)).send().await
    }

    /// The response as it comes.
    pub(crate) async fn open(&self, route: &str) -> Response {
        let response = self.client.get(format!("{}{route}", self.base)).send();
        response.await.unwrap().error_for_status().unwrap()
    }
}

impl Reply {
    /// The cookie line, if there is one.
    pub(crate) fn cookie(&self) -> Option<&str> {
        assert!(self.headers.get_all(SET_COOKIE).iter().count() <= 1);
        let line = self.headers.get(SET_COOKIE)?;
        Some(line.to_str().unwrap())
    }

    /// The token that came in a cookie.
    pub(crate) fn token(&self) -> String {
        let pair = self.cookie().unwrap().split(';').next().unwrap();
        let (_, token) = pair.split_once('=').unwrap();
        assert_eq!(token.len(), 32);
        token.to_owned()
    }
}
