//! One contender in one scenario: [`Case`].

use std::{hint::black_box, rc::Rc};

use http::HeaderValue;
use tokio::runtime::Runtime;

use crate::{
    client,
    contender::{Contender, Endpoint, Lives},
    contenders::for_each_contender,
    data::Shape,
    scenario::{Scenario, Sends, Work},
};

/// Cookies of others that a browser sends along, as long as they usually are.
const NEIGHBOURS: &str = "theme=dark; lang=en-GB; _ga=GA1.1.1234567890.1795262400";

/// One contender in one scenario, with a store of its own.
pub(crate) struct Case {
    pub(crate) scenario: &'static Scenario,
    pub(crate) contender: &'static str,
    run: Box<dyn FnMut(u32)>,
}

impl Case {
    /// Every contender in one scenario.
    pub(crate) fn of(scenario: &'static Scenario) -> Vec<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = Rc::new(runtime.expect("a runtime"));
        let mut cases = Vec::new();
        for_each_contender!(all: add(&runtime, scenario, &mut cases));
        cases
    }

    /// Makes so many requests, one after the other.
    pub(crate) fn run(&mut self, requests: u32) {
        (self.run)(requests);
    }
}

fn add<C: Contender>(runtime: &Rc<Runtime>, scenario: &'static Scenario, cases: &mut Vec<Case>) {
    let (contender, cookies) = runtime.block_on(async {
        let contender = C::open().await;
        let cookies = match scenario.sends {
            Sends::Nothing => None,
            Sends::Cookie(shape) => Some(stored(&contender, shape).await),
            Sends::FourCookies(shape) => {
                let own = stored(&contender, shape).await;
                Some(format!("{NEIGHBOURS}; {own}"))
            }
        };
        (contender, cookies)
    });
    let cookies = cookies.map(|cookies| HeaderValue::try_from(cookies).expect("cookies"));
    // Some layers start a task.
    let _on_runtime = runtime.enter();
    let run = match scenario.work {
        Work::Untouched => driver(runtime, contender.untouched(), cookies),
        Work::Read => driver(runtime, contender.read(), cookies),
        Work::Increment => driver(runtime, contender.increment(), cookies),
        Work::Create => driver(runtime, contender.create(), cookies),
    };
    cases.push(Case { scenario, contender: C::NAME, run });
}

async fn stored<C: Contender>(contender: &C, shape: Shape) -> String {
    client::visit(&mut contender.fill(shape, Lives::On)).await
}

fn driver<S: Endpoint>(
    runtime: &Rc<Runtime>,
    mut service: S,
    cookies: Option<HeaderValue>,
) -> Box<dyn FnMut(u32)> {
    let runtime = Rc::clone(runtime);
    Box::new(move |requests| {
        // Without tokio's budget, which would have those park now and then who use its locks.
        runtime.block_on(tokio::task::unconstrained(async {
            for _ in 0..requests {
                black_box(client::send(&mut service, cookies.as_ref()).await);
            }
        }));
    })
}
