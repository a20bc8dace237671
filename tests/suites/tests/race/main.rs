//! The race suite on the stores that need no server.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod directory;

use directory::Directory;

mod memory {
    tower_keep_tests::race_suite!(tower_keep::MemoryStore::new());
}

mod memory_boxed {
    tower_keep_tests::race_suite!(
        Box::new(tower_keep::MemoryStore::new()) as Box<dyn tower_keep::Store>
    );
}

mod file {
    tower_keep_tests::race_suite!(
        super::Directory::open(tower_keep::Durability::File, false).await
    );
}

/// As two processes that take turns, since each has opened the directory for itself.
mod file_several {
    tower_keep_tests::race_suite!(super::Directory::open(tower_keep::Durability::None, true).await);
}

mod file_boxed {
    tower_keep_tests::race_suite!(Box::new(
        super::Directory::open(tower_keep::Durability::None, false).await
    ) as Box<dyn tower_keep::Store>);
}

/// Every answer comes late, so that commits are detached and calls of several requests meet.
mod memory_slow {
    use tower_keep_tests::{Fault, Faulty};

    fn slow() -> Faulty<tower_keep::MemoryStore> {
        let store = Faulty::new(tower_keep::MemoryStore::new());
        store.everywhere(&Fault::Yields(2));
        store
    }

    tower_keep_tests::race_suite!(slow());
}

/// What the other suites use where time must stand still.
mod clocked {
    tower_keep_tests::race_suite!(tower_keep_tests::ClockedStore::new());
}
