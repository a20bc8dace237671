//! What is done: the scenarios `s1` to `s7`.

use crate::data::Shape;

/// One kind of request.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) explanation: &'static str,
    pub(crate) sends: Sends,
    pub(crate) work: Work,
}

/// The cookies that the client sends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sends {
    /// None.
    Nothing,
    /// That of a stored session.
    Cookie(Shape),
    /// Three of others before that of a stored session.
    FourCookies(Shape),
}

/// What the handler does with its session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Untouched,
    Read,
    Increment,
    Create,
}

/// All scenarios.
pub(crate) static SCENARIOS: [Scenario; 8] = [
    Scenario {
        name: "s1",
        explanation: "no cookie, the handler does not touch the session",
        sends: Sends::Nothing,
        work: Work::Untouched,
    },
    Scenario {
        name: "s2",
        explanation: "valid cookie, the handler does not touch the session",
        sends: Sends::Cookie(Shape::Small),
        work: Work::Untouched,
    },
    Scenario {
        name: "s3",
        explanation: "read a number in a session of 3 fields, 200 bytes",
        sends: Sends::Cookie(Shape::Small),
        work: Work::Read,
    },
    Scenario {
        name: "s3r",
        explanation: "the same among 4 cookies",
        sends: Sends::FourCookies(Shape::Small),
        work: Work::Read,
    },
    Scenario {
        name: "s4",
        explanation: "read a number in a session of 100 fields, 16 KB",
        sends: Sends::Cookie(Shape::Large),
        work: Work::Read,
    },
    Scenario {
        name: "s5",
        explanation: "increment a number in the small session",
        sends: Sends::Cookie(Shape::Small),
        work: Work::Increment,
    },
    Scenario {
        name: "s6",
        explanation: "increment a number in the large session",
        sends: Sends::Cookie(Shape::Large),
        work: Work::Increment,
    },
    Scenario {
        name: "s7",
        explanation: "make a session with one field",
        sends: Sends::Nothing,
        work: Work::Create,
    },
];
