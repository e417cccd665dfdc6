//! How a failure looks to a person in a browser, where an envelope would be of no use. Which failures are told so is for
//! the routes to say.

use crate::api::connect::escaped;
use crate::error::Error;

/// What such a page may load.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A failure as a page; a 5xx names the request.
pub fn failure(error: &Error, request_id: &str) -> Vec<u8> {
    let message = escaped(&error.message);
    let request = if error.code.status().is_server_error() {
        format!("<p class=\"hint\">Request {}</p>\n", escaped(request_id))
    } else {
        String::new()
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Sign-in failed – LoopFour</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"/login/page.css\">\n</head>\n<body>\n<main>\n\
         <h1>Nobody was signed in</h1>\n<p role=\"alert\">{message}</p>\n{request}<p><a href=\"/login\">Sign in</a></p>\n\
         </main>\n</body>\n</html>\n"
    )
    .into_bytes()
}
