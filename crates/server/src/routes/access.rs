//! The rows about companies, their people, the audit log and sign-in.

use axum::routing::{delete, get, patch, post};
use loopfour_store::Scope;

use super::{Access, Body, Form, PAGE, Route, Success, ok, read};
use crate::api;
use crate::error::Code;

/// Companies, their people, and what all of them did.
pub fn people() -> Vec<Route> {
    let route = |path, handler, id, summary| Route {
        group: "access",
        access: Access::Scope(Scope::Admin),
        ..read(path, handler, id, summary)
    };
    vec![
        Route {
            description: "Only for an `admin` of the company `default`, who runs the server.",
            parameters: &PAGE,
            answers: vec![ok(Form::List("Company"))],
            ..route("/api/v1/companies", get(api::companies::list), "listCompanies", "List companies")
        },
        Route {
            method: "post",
            description: "Only for an `admin` of the company `default`, who runs the server. The answer is the only place \
                          where the company's first key is ever shown.",
            body: Body::Required("NewCompany"),
            answers: vec![Success { status: 201, form: Form::Data("CreatedCompany") }],
            refusals: &[Code::Conflict],
            ..route("/api/v1/companies", post(api::companies::create), "createCompany", "Make a company")
        },
        Route {
            parameters: &PAGE,
            answers: vec![ok(Form::List("Member"))],
            ..route(
                "/api/v1/members",
                get(api::members::list),
                "listMembers",
                "List members, inactive ones too",
            )
        },
        Route {
            method: "post",
            description: "The link signs the person in once, within 72 hours. For a member who is there already, active and \
                          with that role, it is a new link in place of the one before.",
            body: Body::Required("NewMember"),
            answers: vec![Success { status: 201, form: Form::Data("InvitedMember") }],
            refusals: &[Code::Conflict, Code::InvalidState],
            ..route("/api/v1/members", post(api::members::create), "inviteMember", "Invite a member")
        },
        Route {
            method: "patch",
            description: "It counts at once. Who is no longer active has no key and no session any more.",
            body: Body::Required("MemberUpdate"),
            answers: vec![ok(Form::Data("Member"))],
            refusals: &[Code::InvalidState],
            ..route(
                "/api/v1/members/{id}",
                patch(api::members::update),
                "updateMember",
                "Change a member's role, or deactivate one",
            )
        },
        Route {
            description: "Who did what, the newest first. With `format=jsonl` the whole log as lines, the oldest first; the \
                          last line is `{\"head\", \"count\"}`, by which a log that was cut later is found out.",
            parameters: &[
                "auditAction",
                "auditActor",
                "auditObject",
                "auditFormat",
                "limit",
                "cursor",
                "order",
            ],
            answers: vec![ok(Form::List("AuditRow")), ok(Form::Lines("AuditRow"))],
            ..route("/api/v1/audit", get(api::audit::list), "listAudit", "Read the audit log")
        },
    ]
}

/// A refusal that is told to a person in a browser.
fn page(status: u16) -> Success {
    Success { status, form: Form::Bare("text/html") }
}

/// How people sign in.
pub fn sessions() -> Vec<Route> {
    vec![
        Route {
            method: "post",
            group: "access",
            description: "With `x-api-key` a session of that key, else with the token of a one-time link. It is carried by \
                          the cookie `loopfour_session`; a request that changes something by it needs the server's own \
                          `origin`.",
            body: Body::Optional("NewSession"),
            answers: vec![ok(Form::Data("Me"))],
            access: Access::SignIn,
            refusals: &[Code::Forbidden],
            ..read("/api/v1/session", post(api::session::create), "createSession", "Sign in")
        },
        Route {
            group: "access",
            answers: vec![ok(Form::Data("Me"))],
            access: Access::SignIn,
            ..read("/api/v1/session", get(api::session::show), "getSession", "Who is signed in")
        },
        Route {
            method: "delete",
            group: "access",
            body: Body::Empty,
            answers: vec![ok(Form::Data("Me"))],
            access: Access::SignIn,
            refusals: &[Code::Forbidden],
            ..read("/api/v1/session", delete(api::session::end), "endSession", "Sign out")
        },
        Route {
            group: "access",
            description: "A browser goes on to the OpenID provider, and comes back to the callback.",
            parameters: &["redirect"],
            answers: vec![Success { status: 303, form: Form::Nothing }, page(401), page(503)],
            refusals: &[Code::InvalidState],
            ..read("/api/v1/session/oidc", get(api::oidc::begin), "beginOidc", "Sign in by OpenID")
        },
        Route {
            group: "access",
            description: "What goes wrong is told on a page.",
            answers: [Success { status: 303, form: Form::Nothing }]
                .into_iter()
                .chain([401, 403, 429, 500, 503].map(page))
                .collect(),
            ..read(
                "/api/v1/session/oidc/callback",
                get(api::oidc::callback),
                "finishOidc",
                "Come back from the OpenID provider",
            )
        },
        Route {
            answers: vec![ok(Form::Bare("text/html"))],
            ..read("/login", get(api::login::page), "getLogin", "The page on which people sign in")
        },
        Route {
            answers: vec![ok(Form::Bare("text/javascript"))],
            ..read("/login/page.js", get(api::login::script), "getLoginScript", "The page's script")
        },
        Route {
            answers: vec![ok(Form::Bare("text/css"))],
            ..read("/login/page.css", get(api::login::style), "getLoginStyle", "The page's style")
        },
    ]
}
