//! How the table came to be, step by step: [`Migration`].

/// One step from an empty database to the present table.
///
/// Steps are never changed once they are released; what changes is a step of its own.
#[derive(Clone, Debug)]
pub(crate) struct Migration {
    pub(crate) version: i32,
    pub(crate) statements: Vec<String>,
}

/// The steps as text, for those who run their own migrations.
pub(crate) fn text(database: &str, preparation: &[String], steps: &[Migration]) -> String {
    let mut text = format!("-- The tables of tower-keep-sql-store for {database}.\n");
    let all = preparation.iter().map(|statement| (None, statement));
    let steps = steps.iter().flat_map(|step| {
        step.statements.iter().map(move |statement| (Some(step.version), statement))
    });
    let mut before = None;
    for (version, statement) in all.chain(steps) {
        if version != before
            && let Some(version) = version
        {
            text.push_str(&format!("\n-- Step {version}\n"));
        }
        before = version;
        text.push_str(statement);
        text.push_str(";\n");
    }
    text
}
