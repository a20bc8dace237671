//! What a terminal is asked and shown.

use crate::tool::Tool;

#[tokio::test]
async fn the_question_names_the_store_and_how_many() {
    let tool = Tool::with(3).await;
    let ran = tool.on_terminal(200, &["purge"], "n\n").assert(4);
    assert!(ran.out.contains("3 of them live"), "{ran:?}");
    assert!(ran.out.contains(&tool.directory.display().to_string()), "{ran:?}");
    assert_eq!(tool.run(&["stats", "--json"]).json()["live"], 3);
}

#[tokio::test]
async fn progress_is_shown_on_a_terminal_alone() {
    let tool = Tool::with(300).await;
    let to = format!("file:{}", tool.path("elsewhere").display());
    let ran = tool.on_terminal(80, &["copy", "--to", &to], "").assert(0);
    assert!(ran.out.contains("/300"), "{ran:?}");
    let ran = tool.run(&["copy", "--to", &to]).assert(0);
    assert_eq!(ran.err, "");
}
