//! Visits the server three times, as one client.
//!
//! Run: `cargo run -p example-grpc`, and beside it `cargo run -p example-grpc --bin client`.

mod counter {
    tonic::include_proto!("counter.v1");
}

use counter::{VisitRequest, counter_client::CounterClient};
use tonic::{Request, metadata::AsciiMetadataValue};

/// The metadata in which the token comes and goes, as the server has it.
const TOKEN: &str = "session-token";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let mut client = CounterClient::connect(format!("http://{address}")).await?;
    let mut token: Option<AsciiMetadataValue> = None;
    for _ in 0..3 {
        let mut request = Request::new(VisitRequest {});
        if let Some(token) = &token {
            request.metadata_mut().insert(TOKEN, token.clone());
        }
        let response = client.visit(request).await?;
        // The server sends a token only when there is a new one; an empty one ends the session.
        if let Some(new) = response.metadata().get(TOKEN) {
            token = Some(new.clone()).filter(|token| !token.is_empty());
        }
        println!("visits: {}", response.get_ref().visits);
    }
    Ok(())
}
