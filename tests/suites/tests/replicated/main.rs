//! `ReplicatedStore` over three stores: the contract and the races, with all members there, with one away
//! and with one that never answers; what becomes of members that come and go.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod away;
mod random;
mod rivals;
mod support;

use support::{Health, Three};

/// All members are well.
mod well {
    use super::*;

    tower_keep::store_conformance!(Three::new(Health::Well));

    mod race {
        use super::*;

        tower_keep_tests::race_suite!(Three::new(Health::Well).store());
    }
}

/// Every call of a member takes a while, so that those of several operations meet.
mod late {
    use super::*;

    tower_keep::store_conformance!(Three::new(Health::Late));
}

/// One of three members is away all the time.
mod one_fails {
    use super::*;

    tower_keep::store_conformance!(Three::new(Health::OneFails));

    mod race {
        use super::*;

        tower_keep_tests::race_suite!(Three::new(Health::OneFails).store());
    }
}

/// One of three members never answers.
mod one_is_silent {
    use super::*;

    tower_keep_tests::race_suite!(Three::new(Health::OneIsSilent).store());
}
