//! The commands, one file each.

mod actions;
mod audit;
mod backup;
mod check;
mod companies;
mod completions;
mod config;
mod connections;
mod demo;
mod events;
mod help_markdown;
mod keys;
mod listen;
mod members;
mod notices;
mod restore;
mod run;
mod runs;
mod sandbox;
mod secrets;
mod serve;
mod trigger;
mod verify;
mod webhook_secrets;
mod workflows;

use crate::failure::Failure;

/// What can be asked for.
#[derive(clap::Subcommand)]
pub enum Command {
    Demo(demo::Demo),
    Check(check::Check),
    Run(run::Run),
    Serve(serve::Serve),
    Workflows(workflows::Workflows),
    Runs(runs::Runs),
    Events(events::Events),
    Trigger(trigger::Trigger),
    Listen(listen::Listen),
    Connections(connections::Connections),
    WebhookSecrets(webhook_secrets::WebhookSecrets),
    Keys(keys::Keys),
    Notices(notices::Notices),
    Members(members::Members),
    Companies(companies::Companies),
    Audit(audit::Audit),
    Actions(actions::Actions),
    Config(config::Config),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Verify(verify::Verify),
    Secrets(secrets::Secrets),
    Sandbox(sandbox::Sandbox),
    Completions(completions::Completions),
    HelpMarkdown(help_markdown::HelpMarkdown),
}

impl Command {
    /// Does it, and gives the exit code.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        match self {
            Command::Demo(demo) => demo.carry_out().await,
            Command::Check(check) => check.carry_out(),
            Command::Run(run) => run.carry_out().await,
            Command::Serve(serve) => serve.carry_out().await,
            Command::Workflows(workflows) => workflows.carry_out().await,
            Command::Runs(runs) => runs.carry_out().await,
            Command::Events(events) => events.carry_out().await,
            Command::Trigger(trigger) => trigger.carry_out().await,
            Command::Listen(listen) => listen.carry_out().await,
            Command::Connections(connections) => connections.carry_out().await,
            Command::WebhookSecrets(secrets) => secrets.carry_out().await,
            Command::Keys(keys) => keys.carry_out().await,
            Command::Notices(notices) => notices.carry_out().await,
            Command::Members(members) => members.carry_out().await,
            Command::Companies(companies) => companies.carry_out().await,
            Command::Audit(audit) => audit.carry_out().await,
            Command::Actions(actions) => actions.carry_out(),
            Command::Config(config) => config.carry_out(),
            Command::Backup(backup) => backup.carry_out(),
            Command::Restore(restore) => restore.carry_out(),
            Command::Verify(verify) => verify.carry_out(),
            Command::Secrets(secrets) => secrets.carry_out().await,
            Command::Sandbox(sandbox) => sandbox.carry_out().await,
            Command::Completions(completions) => completions.carry_out(),
            Command::HelpMarkdown(help) => help.carry_out(),
        }
    }
}
