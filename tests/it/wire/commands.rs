//! The command line and the configuration.

use std::path::Path;

use serde_json::json;

use crate::support::{
    App, Person, Server, Transport,
    server::{Outcome, SECRET, parlour, run},
};

async fn command(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Outcome {
    let env: Vec<(String, String)> = env.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let mut command = parlour(dir, &env);
    command.args(args);
    run(command).await
}

async fn in_a_fresh_folder(args: &[&str], env: &[(&str, &str)]) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    command(dir.path(), args, env).await
}

#[tokio::test]
async fn the_effective_configuration_is_shown_without_secrets() {
    let secret = "hush-hush-hush-hush-hush-hush-hush-hush";
    let env = [("PORT", "9123"), ("PARLOUR__LIMITS__MESSAGES_PER_MINUTE", "77"), ("SECRET_KEY", secret)];
    let outcome = in_a_fresh_folder(&["config", "show"], &env).await;
    assert!(outcome.success, "{}", outcome.stderr);
    let shown: toml::Table = outcome.stdout.parse().expect("it is TOML");
    assert_eq!(shown["server"]["port"].as_integer(), Some(9_123));
    assert_eq!(shown["limits"]["messages_per_minute"].as_integer(), Some(77));
    assert_eq!(shown["limits"]["rest_per_minute"].as_integer(), Some(100), "defaults are shown too");
    assert!(!(outcome.stdout + &outcome.stderr).contains(secret));
}

#[tokio::test]
async fn the_password_of_a_database_is_a_secret() {
    let env = [("DATABASE_URL", "postgres://parlour:hunter2hunter2@127.0.0.1:1/parlour")];
    let shown = in_a_fresh_folder(&["config", "show"], &env).await;
    assert!(shown.success, "{}", shown.stderr);
    let checked = in_a_fresh_folder(&["config", "check"], &env).await;
    assert!(!checked.success, "no database answers there");
    for outcome in [shown, checked] {
        assert!(!(outcome.stdout + &outcome.stderr).contains("hunter2"));
    }
}

#[tokio::test]
async fn the_environment_overrides_the_file_and_the_file_the_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("parlour.toml");
    std::fs::write(&file, "[limits]\nmessages_per_minute = 11\nrest_per_minute = 12\n").unwrap();
    let args = ["--config", file.to_str().unwrap(), "config", "show"];
    let outcome = command(dir.path(), &args, &[("PARLOUR__LIMITS__REST_PER_MINUTE", "13")]).await;
    assert!(outcome.success, "{}", outcome.stderr);
    let shown: toml::Table = outcome.stdout.parse().expect("it is TOML");
    let limits = &shown["limits"];
    assert_eq!(limits["messages_per_minute"].as_integer(), Some(11));
    assert_eq!(limits["rest_per_minute"].as_integer(), Some(13));
    assert_eq!(limits["auth_per_minute"].as_integer(), Some(5));
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("parlour.toml");
    std::fs::write(&file, "[limits]\nmesages_per_minute = 11\n").unwrap();
    let with_file = ["--config", file.to_str().unwrap(), "config", "check"];
    let check = ["config", "check"];
    for (args, env, words) in [
        (&with_file[..], ("LOG_LEVEL", "info"), &["mesages_per_minute", "messages_per_minute"][..]),
        (&check[..], ("PARLOUR__LIMITS__MESAGES_PER_MINUTE", "1"), &["messages_per_minute"][..]),
        (&check[..], ("PARLOUR__LIMIT__ENABLED", "true"), &["limits"][..]),
        (&check[..], ("PORT", "seventy"), &["port"][..]),
        (&check[..], ("PORT", "70000"), &["port"][..]),
        (&check[..], ("ENVIRONMENT", "produktion"), &["environment", "production"][..]),
        (&check[..], ("LOG_LEVEL", "loud"), &["log.level", "warn"][..]),
        (&check[..], ("PARLOUR__LOG__LEVEL", "parlour=loud"), &["log.level"][..]),
        (&check[..], ("MAX_CHAT_PARTICIPANTS", "1"), &["max_members"][..]),
        (&check[..], ("PARLOUR__LIMITS__MESSAGES_PER_MINUTE", "-1"), &["messages_per_minute"][..]),
        (&check[..], ("DATABASE_URL", "mysql://localhost/parlour"), &["database"][..]),
        (&check[..], ("TRUSTED_PROXIES", "not an address"), &["trusted_proxies"][..]),
    ] {
        for args in [
            args.to_vec(),
            args.iter().map(|arg| if *arg == "config" { "serve" } else { arg }).filter(|arg| *arg != "check").collect(),
        ] {
            let outcome = command(dir.path(), &args, &[env]).await;
            assert!(!outcome.success, "{env:?} passes with {args:?}");
            let said = outcome.stderr.to_lowercase();
            for word in words {
                assert!(said.contains(word), "{env:?} with {args:?} is answered by {said}");
            }
            assert!(!said.contains("panicked"), "{said}");
        }
    }
    let good = command(dir.path(), &["config", "check"], &[("PORT", "0")]).await;
    assert!(good.success, "{}", good.stderr);
}

#[tokio::test]
async fn migrations_go_up_and_down() {
    let dir = tempfile::tempdir().unwrap();
    let migrate = async |args: &[&str]| {
        let outcome = command(dir.path(), &[&["migrate"], args].concat(), &[]).await;
        assert!(outcome.success, "migrate {args:?}: {}", outcome.stderr);
        outcome.stdout.to_lowercase()
    };
    let fresh = migrate(&["status"]).await;
    let count = fresh.matches("pending").count();
    assert!(count >= 3, "{fresh}");
    migrate(&["up"]).await;
    let done = migrate(&["status"]).await;
    assert_eq!(done.matches("pending").count(), 0, "{done}");
    migrate(&["up"]).await;
    migrate(&["down", "--yes"]).await;
    assert_eq!(migrate(&["status"]).await.matches("pending").count(), 1);
    migrate(&["down", &(count - 1).to_string(), "--yes"]).await;
    assert_eq!(migrate(&["status"]).await.matches("pending").count(), count);
    migrate(&["up"]).await;
    assert_eq!(migrate(&["status"]).await, done, "down and up is where we were");
}

#[tokio::test]
async fn a_token_from_the_command_line_opens_the_account() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.path().join("chat.db").display());
    let app = App::with(Server::settings().with("DATABASE_URL", &url)).await;
    let ada = app.user("ada").await;
    let env = [("DATABASE_URL", url.as_str()), ("SECRET_KEY", SECRET)];
    for who in [ada.id.as_str(), "ada@example.com", "ada"] {
        let outcome = command(dir.path(), &["token", "--user", who], &env).await;
        assert!(outcome.success, "{}", outcome.stderr);
        let operator = Person { token: outcome.stdout.trim().to_owned(), ..ada.clone() };
        assert_eq!(operator.get("/api/auth/me").await.with_status(200)["id"], ada.id.as_str());
        operator.connects().await;
    }
    let outcome = command(dir.path(), &["token", "--user", "nobody"], &env).await;
    assert!(!outcome.success && outcome.stdout.is_empty());
}

#[tokio::test]
async fn a_generated_secret_outlives_the_process_and_is_private() {
    let mut app = App::with(Server::settings().with("SECRET_KEY", "")).await;
    let ada = app.user("ada").await;
    app.server.stop(std::time::Duration::from_secs(10)).await;
    app.start_again().await;
    ada.get("/api/auth/me").await.with_status(200);
    ada.connects_by(Transport::WebSocket, json!({})).await;
}

#[tokio::test]
async fn the_health_check_of_a_container_asks_the_node() {
    let app = App::start().await;
    let port = app.site.addr().port().to_string();
    let up = in_a_fresh_folder(&["healthcheck"], &[("PORT", &port)]).await;
    assert!(up.success, "{}", up.stderr);
    let down = in_a_fresh_folder(&["healthcheck"], &[("PORT", "1")]).await;
    assert!(!down.success);
}
