//! The question before anything destructive: [`ask`].

use std::io::{self, BufRead, IsTerminal, Write};

use crate::{
    arguments::Consent,
    exit::{Exit, Failure},
    text::printable_json,
};

/// Asks whether to go on. Nobody can be asked in a pipe, and silence is no consent.
pub(crate) fn ask(consent: &Consent, question: &str) -> Result<(), Failure> {
    if consent.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::new(
            Exit::NotConfirmed,
            "nothing was done: this asks first, and nobody can be asked here; pass --yes",
        ));
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "{} [y/N] ", printable_json(question))?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(Exit::NotConfirmed, "nothing was done: it was not confirmed")),
    }
}
