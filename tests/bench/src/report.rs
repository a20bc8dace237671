//! What is printed at the end: [`Results`].

use std::fmt::{self, Display};

use crate::{
    count::Counts,
    scenario::SCENARIOS,
    sweep::Waits,
    target::{self, Verdict},
    timing,
    workers::Throughput,
};

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) counts: Counts,
    pub(crate) times: Vec<timing::PerRequest>,
    pub(crate) throughputs: Vec<Throughput>,
    pub(crate) waits: Vec<Waits>,
}

impl Results {
    fn nanoseconds(&self, scenario: &str, contender: &str) -> Option<f64> {
        self.times
            .iter()
            .find(|time| time.scenario == scenario && time.contender == contender)
            .map(|time| time.nanoseconds)
    }

    /// One contender's time divided by another's.
    pub(crate) fn time_ratio(&self, scenario: &str, one: &str, other: &str) -> Option<f64> {
        Some(self.nanoseconds(scenario, one)? / self.nanoseconds(scenario, other)?)
    }

    pub(crate) fn allocations(&self, scenario: &str, contender: &str) -> Option<usize> {
        self.counts
            .requests
            .iter()
            .find(|count| count.scenario == scenario && count.contender == contender)
            .map(|count| count.allocations)
    }

    pub(crate) fn session_bytes(&self, contender: &str) -> Option<f64> {
        self.counts.sessions.iter().find(|(name, _)| name == contender).map(|(_, bytes)| *bytes)
    }

    fn write_requests(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:10} {:16} {:>9} {:>8} {:>12} {:>9}",
            "scenario", "contender", "ns", "÷ floor", "allocations", "bytes"
        )?;
        for scenario in &SCENARIOS {
            writeln!(f, "{}: {}", scenario.name, scenario.explanation)?;
            let counts = self.counts.requests.iter();
            for count in counts.filter(|count| count.scenario == scenario.name) {
                let contender = &*count.contender;
                writeln!(
                    f,
                    "{:10} {:16} {:>9} {:>8} {:>12} {:>9}",
                    scenario.name,
                    contender,
                    number(self.nanoseconds(scenario.name, contender), 0),
                    number(self.time_ratio(scenario.name, contender, "floor"), 2),
                    count.allocations,
                    count.bytes,
                )?;
            }
        }
        Ok(())
    }

    fn write_many(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\na million small sessions{:>20}", "bytes each")?;
        for (contender, bytes) in &self.counts.sessions {
            writeln!(f, "{contender:24} {bytes:>19}")?;
        }
        writeln!(
            f,
            "\nrequests per second       {:>18} {:>12} {:>8}",
            "1 worker", "2 workers", "ratio"
        )?;
        for found in &self.throughputs {
            writeln!(
                f,
                "{:4} {:20} {:>18.0} {:>12.0} {:>8.2}",
                found.scenario,
                found.contender,
                found.one_worker,
                found.two_workers,
                found.two_workers / found.one_worker,
            )?;
        }
        writeln!(
            f,
            "\nloads while half is swept {:>18} {:>12} {:>12} {:>18}",
            "sweep ms", "worst ms", "99.9 % µs", "worst in quiet ms"
        )?;
        for waits in &self.waits {
            writeln!(
                f,
                "{:25} {:>18.0} {:>12.2} {:>12.1} {:>18.2}",
                waits.contender,
                waits.sweep.as_secs_f64() * 1e3,
                waits.worst.as_secs_f64() * 1e3,
                waits.most.as_secs_f64() * 1e6,
                waits.worst_in_quiet.as_secs_f64() * 1e3,
            )?;
        }
        Ok(())
    }
}

impl Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_requests(f)?;
        if !self.counts.sessions.is_empty() {
            self.write_many(f)?;
        }
        writeln!(f, "\ntargets")?;
        let verdicts = target::judge(self);
        if verdicts.is_empty() {
            writeln!(f, "none: tower-keep is not among the contenders")?;
        }
        for Verdict { met, text } in verdicts {
            writeln!(f, "{} {text}", if met { "PASS" } else { "MISS" })?;
        }
        Ok(())
    }
}

fn number(number: Option<f64>, digits: usize) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
}
