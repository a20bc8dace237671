//! The race suite: what must hold in any store when requests of one session run at once.
//!
//! Every case is a function of a store. [`race_suite!`](crate::race_suite) makes a test of each.

mod counts;
mod one_request;
mod rotation;
mod sign_in;
mod sign_out;

use std::{sync::Arc, time::Duration};

pub use counts::*;
pub use one_request::*;
pub use rotation::*;
pub use sign_in::*;
pub use sign_out::*;
use tower_keep::{Record, SessionLayer, SessionLayerBuilder, Store};

use crate::Jar;

/// A store of any kind.
pub type Shared = Arc<dyn Store>;

/// A layer whose reads are all written back, so that every late request tries to write.
///
/// It is patient: a machine that is busy with other tests must not look like a store that is silent.
fn eager(store: &Shared) -> SessionLayerBuilder {
    SessionLayer::builder(Arc::clone(store))
        .renew_after(Duration::ZERO)
        .store_timeout(Duration::from_secs(60))
}

fn layer(store: &Shared) -> SessionLayer {
    eager(store).build().unwrap()
}

/// What the store holds of the session that a browser's token opens.
async fn record(store: &Shared, jar: &Jar) -> Option<Arc<Record>> {
    let loaded = store.load(&jar.id()?).await.unwrap();
    loaded.map(|loaded| loaded.record)
}

/// The number in a field of the session that a browser's token opens.
async fn number(store: &Shared, jar: &Jar, name: &str) -> Option<u64> {
    let record = record(store, jar).await.expect("the session is live");
    record.fields.get(name).map(|json| json.parse().unwrap())
}

/// Makes a test of each case of the race suite.
///
/// ```no_run
/// use tower_keep::MemoryStore;
///
/// mod memory {
///     tower_keep_tests::race_suite!(MemoryStore::new());
/// }
/// ```
#[macro_export]
macro_rules! race_suite {
    ($store:expr) => {
        $crate::race_suite! { $store =>
            cold_stampede_makes_no_record_without_a_write_and_shares_none
            concurrent_inserts_of_different_fields_all_land
            concurrent_logins_leave_one_successor
            concurrent_rotations_leave_one_successor
            concurrent_saves_of_one_request_lose_no_update
            concurrent_updates_through_http_are_exact
            destroy_then_write_begins_another_session
            insert_over_a_changed_value_is_reported
            late_requests_after_a_login_leave_the_new_cookie
            late_requests_after_a_logout_never_bring_it_back
            late_requests_after_a_revocation_never_bring_it_back
            logout_after_a_save_that_failed_keeps_nothing
            reload_keeps_updates_exact
            second_sign_out_ends_nothing_and_says_nothing
            sessions_of_two_browsers_stay_apart
            update_now_gives_each_caller_its_own_value
            updates_and_rotations_at_once_are_exact
        }
    };
    ($store:expr => $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $case() {
            $crate::race::$case(std::sync::Arc::new($store)).await;
        }
    )*};
}
