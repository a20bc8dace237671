//! A purge that may not.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::{
    common::id,
    tool::{PROGRAM, Ran, Tool},
};

/// Who may do anything is not stopped by permissions: such a test runs as nobody.
const NOBODY: u32 = 65_534;

#[tokio::test]
async fn a_purge_without_permission_says_which_path_and_what_is_left() {
    let tool = Tool::with(20).await;
    let is_root = run("id", &["-u"]) == "0\n";
    if is_root {
        let parent = tool.directory.parent().unwrap();
        run("chown", &["-R", &NOBODY.to_string(), &parent.display().to_string()]);
        // The command must be found by nobody too.
        fs::copy(PROGRAM, parent.join("sessionctl")).unwrap();
        fs::set_permissions(parent, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let name = id(3).to_string();
    let folder = tool.directory.join(&name[..2]);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    for json in [false, true] {
        let mut command = if is_root {
            use std::os::unix::process::CommandExt;
            let mut command = Command::new(tool.path("sessionctl"));
            command.uid(NOBODY);
            command
        } else {
            Command::new(PROGRAM)
        };
        command.args(["purge", "--yes", "--store", &tool.url]).args(json.then_some("--json"));
        let ran = Ran::from(command.output().unwrap()).assert(1);
        let text = if json { ran.json().to_string() } else { ran.err.clone() };
        assert!(text.contains(&name[..2]), "the path: {ran:?}");
        assert!(text.to_lowercase().contains("permission denied"), "why: {ran:?}");
        assert!(text.contains("check that this process may"), "what to check: {ran:?}");
        assert!(text.replace('_', " ").contains("live left"), "what is left: {ran:?}");
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
