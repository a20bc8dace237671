//! Any bytes are a token or not, and a token keeps its text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_keep::{SessionId, Token};

fuzz_target!(|bytes: &[u8]| {
    if let Some(token) = Token::from_bytes(bytes) {
        assert_eq!(token.expose().as_bytes(), bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(id) = text.parse::<SessionId>()
    {
        assert_eq!(id.to_string(), text);
    }
});
