//! Any bytes in a store give a record or an error, and what is a record survives being written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_keep::{Record, SessionId};

fuzz_target!(|bytes: &[u8]| {
    // The id that an encoded record of the corpus is bound to.
    let id = SessionId::from_bytes([0xab; 32]);
    if let Ok(record) = Record::decode(&id, bytes) {
        let again = record.encode(&id).unwrap();
        assert_eq!(Record::decode(&id, &again).unwrap(), record);
    }
});
