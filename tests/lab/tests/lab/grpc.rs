//! The same over gRPC.

use serde_json::json;
use tonic::{Request, Response, metadata::AsciiMetadataValue, transport::Channel};

use crate::{Browser, lab, support::Server};

#[expect(unreachable_pub, unused_qualifications, reason = "the code is generated")]
mod v1 {
    tonic::include_proto!("lab.v1");
}

use v1::{GetRequest, IncrRequest, LoginRequest, LogoutRequest, PutRequest, lab_client::LabClient};

/// A client that keeps its token as the server tells it.
struct Client {
    lab: LabClient<Channel>,
    name: &'static str,
    token: Option<AsciiMetadataValue>,
}

impl Client {
    async fn connect(server: &mut Server, name: &'static str) -> Self {
        let address = server.line("gRPC on ").await;
        Self { lab: LabClient::connect(address).await.unwrap(), name, token: None }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert(self.name, token.clone());
        }
        request
    }

    fn keep<T>(&mut self, response: Response<T>) -> T {
        if let Some(token) = response.metadata().get(self.name) {
            self.token = Some(token.clone()).filter(|token| !token.is_empty());
        }
        response.into_inner()
    }
}

macro_rules! call {
    ($client:ident, $method:ident, $message:expr) => {{
        let request = $client.request($message);
        let response = $client.lab.$method(request).await.unwrap();
        $client.keep(response)
    }};
}

#[tokio::test]
async fn grpc_does_what_the_routes_do() {
    let mut server = lab(&[("LAB_GRPC_ADDR", "127.0.0.1:0")]).await;
    let mut client = Client::connect(&mut server, "session-token").await;
    let get = |key: &str| GetRequest { key: key.into() };
    let put = |key: &str, value: &str| PutRequest { key: key.into(), value_json: value.into() };

    assert_eq!(call!(client, get, get("a")).value_json, "null");
    assert!(client.token.is_none(), "reading begins no session");
    call!(client, put, put("a", "123456789012345678901234567890"));
    let first = client.token.clone().unwrap();
    let value = call!(client, get, get("a")).value_json;
    assert_eq!(value, "123456789012345678901234567890");
    for n in 1..=3 {
        let message = IncrRequest { key: "n".into() };
        assert_eq!(call!(client, incr, message).value, n);
    }

    call!(client, login, LoginRequest { user: "ada".into() });
    let second = client.token.clone().unwrap();
    assert_ne!(first, second);
    let browser = Browser::forgetful(&server);
    let id = browser.get_as(second.to_str().unwrap(), "/id").await;
    assert_eq!(id["user"], "ada", "the routes see the same session");
    let id = browser.get_as(first.to_str().unwrap(), "/id").await;
    assert_eq!(id["is_new"], true);

    call!(client, logout, LogoutRequest {});
    assert!(client.token.is_none());
    let id = browser.get_as(second.to_str().unwrap(), "/id").await;
    assert_eq!(id["is_new"], json!(true));
}

#[tokio::test]
async fn refusal_is_a_grpc_status() {
    let mut server = lab(&[
        ("LAB_GRPC_ADDR", "127.0.0.1:0"),
        ("LAB_TRANSPORT", "header:x-session"),
        ("LAB_MAX_PER_USER", "1"),
        ("LAB_OVER_LIMIT", "refuse"),
    ])
    .await;
    let mut client = Client::connect(&mut server, "x-session").await;
    let login = || LoginRequest { user: "ada".into() };
    call!(client, login, login());
    client.token = None;
    let refused = client.lab.login(client.request(login())).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Aborted);

    let long = LoginRequest { user: "a".repeat(300) };
    let refused = client.lab.login(client.request(long)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
}
