//! The commands that look things up and ask no server.

use serde_json::Value;

use crate::docs::root;
use crate::process::{Place, ended, fed};

#[test]
fn actions_are_listed_and_shown_from_the_catalogue() {
    let place = Place::new();
    let list = place.run(&["actions", "list"]);
    assert_eq!((list.code, list.stdout.lines().count(), list.stderr.as_str()), (Some(0), 24, ""));
    assert!(list.stdout.contains("\nstripe.createInvoice  "), "{}", list.stdout);
    for name in ["stripe.createInvoice", "createInvoice"] {
        let show = place.run(&["actions", "show", name]);
        assert_eq!((show.code, show.stderr.as_str()), (Some(0), ""));
        let lines: Vec<Vec<&str>> =
            show.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(lines.contains(&vec!["customerId", "required", "text"]), "{}", show.stdout);
        assert!(lines.contains(&vec!["daysUntilDue", "integer"]), "{}", show.stdout);
        assert!(!lines.contains(&vec!["footer", "text"]), "{}", show.stdout);
    }
    let show = place.run(&["actions", "show", "createInvoice", "--all"]);
    assert!(show.stdout.lines().any(|line| line.trim_start().starts_with("footer  ")), "{}", show.stdout);
    let wrong = place.run(&["actions", "show", "stripe.createInvioce"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(1), ""));
    assert!(wrong.stderr.contains("did you mean `stripe.createInvoice`?"), "{}", wrong.stderr);
}

#[test]
fn an_example_of_an_action_runs() {
    let place = Place::new();
    let list = place.run(&["actions", "list", "--json"]);
    assert_eq!(list.stdout.lines().count(), 24);
    let show = place.run(&["actions", "show", "createCustomer", "--json"]);
    let action: Value = serde_json::from_str(&show.stdout).unwrap();
    let email =
        action["parameters"].as_array().unwrap().iter().find(|parameter| parameter["name"] == "email");
    assert_eq!(email.unwrap()["type"]["type"], "text");
    let workflow =
        serde_json::json!({"name": "One", "trigger": {"type": "api"}, "steps": [action["example"]]});
    let place = place.with("one.json", workflow.to_string());
    let input = r#"{"email": "ada@example.com", "name": "Ada"}"#;
    let run = place.run(&["run", "one.json", "--sandbox", "--input", input]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}

#[test]
fn settings_are_shown_with_their_source_and_without_secrets() {
    let place = Place::new().with("loopfour.toml", "listen = '0.0.0.0:4000'\n");
    let mut command = place.command(&["config", "show", "--data", "here"]);
    command.env("STRIPE_API_KEY", "sk_live_confidential");
    let shown = ended(command);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    let lines: Vec<Vec<&str>> = shown.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    for line in [
        ["listen", "0.0.0.0:4000", "loopfour.toml"],
        ["data", "here", "--data"],
        ["sandbox", "off", "default"],
        ["STRIPE_API_KEY", "sk_live_****", "STRIPE_API_KEY"],
        ["LOOPFOUR_SERVER", "http://127.0.0.1:4000", "listen"],
    ] {
        assert!(lines.contains(&line.to_vec()), "{line:?} in {}", shown.stdout);
    }
    let shown = place.run(&["config", "show", "--json"]);
    let first: Value = serde_json::from_str(shown.stdout.lines().next().unwrap()).unwrap();
    let expected = r#"{"key":"listen","value":"0.0.0.0:4000","source":"loopfour.toml"}"#;
    assert_eq!(first, serde_json::from_str::<Value>(expected).unwrap());
    let wrong = place.run(&["config", "show", "--listen", "nowhere"]);
    assert_eq!((wrong.code, wrong.stdout.as_str(), wrong.stderr.lines().count()), (Some(2), "", 1));
}

#[test]
fn shells_get_their_completions() {
    let place = Place::new();
    for (shell, word) in
        [("bash", "complete -F"), ("zsh", "#compdef loopfour"), ("fish", "complete -c loopfour")]
    {
        let script = place.run(&["completions", shell]);
        assert_eq!((script.code, script.stderr.as_str()), (Some(0), ""));
        assert!(script.stdout.contains(word) && script.stdout.contains("workflows"), "{shell}");
    }
    let bash = place.run(&["completions", "bash"]).stdout;
    let mut check = std::process::Command::new("bash");
    check.arg("-n");
    assert_eq!(fed(check, &bash).stderr, "");
    assert_eq!(place.run(&["completions", "cmd"]).code, Some(2));
}

#[test]
fn the_page_of_the_command_line_is_up_to_date() {
    let page = std::fs::read_to_string(root().join("docs/reference/cli.md")).unwrap();
    let place = Place::new();
    let made = place.run(&["help-markdown"]);
    assert!(made.stdout == page, "make it anew: loopfour help-markdown > docs/reference/cli.md");
    assert!(!page.contains("help-markdown\n"), "hidden commands are not on it");
}

#[test]
fn every_command_helps_with_an_example() {
    let page = std::fs::read_to_string(root().join("docs/reference/cli.md")).unwrap();
    let commands: Vec<&str> = page.split("\n## ").skip(2).collect();
    assert!(commands.len() > 25, "{}", commands.len());
    for command in commands {
        let (name, help) = command.split_once('\n').unwrap();
        assert!(help.contains("\nExample"), "`{name}` shows no example");
    }
}
