//! Processes that write the same sessions at once.

use tower_keep_core::{Check, Created, Index, NewRecord, Query, Store};
use tower_keep_file_store::FileStore;

use crate::worker::{COUNTERS, LIFETIME, USER_LIMIT, Worker, count_in, counter, runtime};

pub(crate) fn run(processes: u64, rounds: usize) {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("sessions");
    // Two make the directory at once, which is a part of the test.
    let (store, other) = runtime().block_on(async {
        tokio::try_join!(FileStore::open(&directory), FileStore::open(&directory)).unwrap()
    });
    runtime().block_on(async {
        for number in 0..COUNTERS {
            let new = NewRecord::new("shop".into(), LIFETIME);
            let created = other.create(&counter(number), new).await;
            assert!(matches!(created, Ok(Created::Created(_))));
        }
    });
    let start = |number| Worker::start("count", &directory, number, rounds);
    let workers: Vec<Worker> = (1..=processes).map(start).collect();
    let looks = runtime().block_on(look_at_limit(&store, workers));
    assert!(looks > 0);
    runtime().block_on(async {
        let mut counted = 0;
        for number in 0..COUNTERS {
            let record = store.load(&counter(number)).await.unwrap().unwrap().record;
            counted += count_in(record.fields.get("count"));
        }
        assert_eq!(counted, processes * rounds as u64);
        let checked = Check::check(&store).await.unwrap();
        assert!(checked.problems.is_empty(), "{checked:?}");
        assert_eq!(checked.sessions, COUNTERS as u64 + u64::from(USER_LIMIT));
    });
}

/// Looks at the user's sessions until all workers have ended.
async fn look_at_limit(store: &FileStore, workers: Vec<Worker>) -> usize {
    let waiting = std::thread::spawn(|| workers.into_iter().for_each(Worker::wait));
    let query = Query::new("shop").of_user("ada".into());
    let mut looks = 0;
    while !waiting.is_finished() {
        let sessions = Index::list(store, &query).await.unwrap().sessions.len();
        assert!(sessions <= USER_LIMIT as usize, "{sessions} sessions of a user");
        looks += 1;
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    waiting.join().unwrap();
    looks
}
