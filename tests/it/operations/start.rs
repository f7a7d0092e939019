//! What a server asks of its surroundings before it starts, and what it says when it does not.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use sea_orm::{ConnectionTrait, Database};
use serde_json::json;

use crate::support::{
    App, File, Server, postgres,
    server::{Outcome, SECRET, parlour, run},
};

const STOP: Duration = Duration::from_secs(15);

async fn command(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Outcome {
    let env: Vec<(String, String)> = env.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let mut command = parlour(dir, &env);
    command.args(args);
    run(command).await
}

fn url_of(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

/// Catches a build without the lock: two processes give each other's sockets neither messages nor ends of logins.
#[tokio::test]
async fn a_second_process_on_one_sqlite_file_is_refused_by_whatever_name_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("chat.db");
    let mut app = App::with(Server::settings().with("DATABASE_URL", &url_of(&file))).await;
    let ada = app.user("ada").await;
    let alias = dir.path().join("alias.db");
    std::os::unix::fs::symlink(&file, &alias).unwrap();
    for url in [url_of(&file), url_of(&alias), "sqlite:///./chat.db".to_owned()] {
        for args in [&["serve"][..], &["migrate", "up"], &["migrate", "down", "--yes"]] {
            let refused = command(dir.path(), args, &[("DATABASE_URL", &url), ("PORT", "0")]).await;
            assert!(!refused.success, "{args:?} on {url}");
            assert!(refused.stderr.contains("another process"), "{args:?} on {url}: {}", refused.stderr);
            assert!(refused.stderr.contains("its own file with DATABASE_URL"), "{args:?} on {url}: {}", refused.stderr);
        }
        let looked = command(dir.path(), &["migrate", "status"], &[("DATABASE_URL", &url)]).await;
        assert!(looked.success, "who only looks is let in: {}", looked.stderr);
    }
    // By a second name of the file itself no link leads to the lock.
    let twin = dir.path().join("twin.db");
    fs::hard_link(&file, &twin).unwrap();
    for args in [&["serve"][..], &["config", "check"], &["migrate", "up"], &["migrate", "down", "--yes"]] {
        let refused = command(dir.path(), args, &[("DATABASE_URL", &url_of(&twin)), ("PORT", "0")]).await;
        assert!(!refused.success, "{args:?}");
        assert!(refused.stderr.contains("hard links"), "{args:?}: {}", refused.stderr);
    }
    fs::remove_file(&twin).unwrap();
    ada.get("/api/auth/me").await.with_status(200);
    // A process that was killed leaves no lock.
    app.server.kill_9();
    app.start_again().await;
    ada.at(&app).get("/api/auth/me").await.with_status(200);
}

#[tokio::test]
async fn a_database_that_a_newer_program_has_changed_is_refused() {
    let mut app = App::start().await;
    let database = app.server.database().await;
    database
        .execute_unprepared("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20990101_000001_later', 1)")
        .await
        .unwrap();
    database.close().await.unwrap();
    app.server.stop(STOP).await;
    let url = app.server.database_url();
    let dir = tempfile::tempdir().unwrap();
    for environment in ["development", "production"] {
        for args in [&["serve"][..], &["config", "check"]] {
            let env =
                [("DATABASE_URL", url.as_str()), ("ENVIRONMENT", environment), ("SECRET_KEY", SECRET), ("PORT", "0")];
            let refused = command(dir.path(), args, &env).await;
            assert!(!refused.success, "{args:?} in {environment}");
            assert!(refused.stderr.contains("m20990101_000001_later"), "{args:?}: {}", refused.stderr);
        }
    }
}

#[tokio::test]
async fn migrations_are_taken_back_only_by_who_knows_what_that_destroys() {
    let mut app = App::start().await;
    let ada = app.user("ada").await;
    ada.opens_a_group("kept", &[]).await;
    let url = app.server.database_url();
    let name = url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let down = async |args: &[&str], environment: &str| {
        let env = [("DATABASE_URL", url.as_str()), ("ENVIRONMENT", environment), ("SECRET_KEY", SECRET)];
        command(dir.path(), &[&["migrate", "down"], args].concat(), &env).await
    };
    let running = down(&["1", "--yes"], "development").await;
    assert!(!running.success, "a server uses it: {}", running.stdout);
    app.server.stop(STOP).await;
    // A node that stops keeps its lease for as long as its users may take to come to another one.
    let status = command(dir.path(), &["migrate", "status"], &[("DATABASE_URL", &url)]).await;
    let applied = status.stdout.matches("applied").count().to_string();
    if url.starts_with("postgres") {
        Database::connect(&url).await.unwrap().execute_unprepared("DELETE FROM nodes").await.unwrap();
    }

    let asked = down(&[&applied], "development").await;
    assert!(!asked.success && asked.stderr.contains("--yes"), "{}", asked.stderr);
    assert!(
        asked.stdout.contains("users with 1 rows") && asked.stdout.contains("rooms with 1 rows"),
        "{}",
        asked.stdout
    );
    let many = down(&["99", "--yes"], "development").await;
    assert!(!many.success && many.stderr.contains(&applied), "{}", many.stderr);
    for args in [&[applied.as_str(), "--yes"][..], &[applied.as_str(), "--yes", "--database", "another"]] {
        let unnamed = down(args, "production").await;
        assert!(!unnamed.success && unnamed.stderr.contains(&name), "{}", unnamed.stderr);
    }
    app.start_again().await;
    ada.at(&app).get("/api/auth/me").await.with_status(200);
    app.server.stop(STOP).await;
    if url.starts_with("postgres") {
        Database::connect(&url).await.unwrap().execute_unprepared("DELETE FROM nodes").await.unwrap();
    }

    let done = down(&[&applied, "--yes", "--database", &name], "production").await;
    assert!(done.success, "{}", done.stderr);
    assert!(!done.stdout.contains("applied"), "{}", done.stdout);
}

#[tokio::test]
async fn a_check_finds_what_would_keep_a_server_from_its_work_and_makes_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    // Nothing listens on port 1 of this machine.
    let production = ("ENVIRONMENT", "production");
    let secret = ("SECRET_KEY", SECRET);
    for (env, word) in [
        (&[production, secret][..], "pending"),
        (&[("REDIS_URL", "redis://:hunter2hunter2@127.0.0.1:1/0")][..], "Redis"),
        (&[("SMTP_URL", "smtp://ada:hunter2hunter2@127.0.0.1:1")][..], "mail server"),
        (&[("LOG_LEVEL", "loud")][..], "log.level"),
        (&[("DEBUG", "maybe")][..], "DEBUG: must be true or false"),
        (&[("DATABASE_URL", "sqlite://")][..], "must name a file"),
        (&[("PUBLIC_URL", "https://chat.example?x")][..], "server.public_url"),
        (&[("PUBLIC_URL", "https://chat .example")][..], "server.public_url"),
        (&[("PUBLIC_URL", "https://chat.example#f")][..], "server.public_url"),
        (&[("PUBLIC_URL", "https://u:hunter2@chat.example")][..], "server.public_url"),
        (&[("AWS_ENDPOINT_URL", "https://s3.example?x"), ("S3_BUCKET", "chat")][..], "s3.endpoint"),
        (&[("SUPABASE_URL", "https://x .supabase.co"), ("SUPABASE_KEY", "k")][..], "supabase.url"),
        (
            &[("DATABASE_URL", "postgres://ada:hunter2hunter2@127.0.0.1:1/chat")][..],
            "postgres://ada:***@127.0.0.1:1/chat: Connection Error: Connection refused",
        ),
        (&[("DATA_DIR", "/dev/null/data")][..], "/dev/null/data"),
        (&[("HOST", "127.0.0.1"), ("PORT", &port)][..], "set PORT to another one"),
        (&[("HOST", "localhost")][..], "must be an IP address, such as 127.0.0.1"),
        (&[("DATABASE_URL", "sqlite:chat.db")][..], "such as sqlite://./chat.db"),
        (&[("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("S3_BUCKET", "chat")][..], "media store"),
        (&[production, secret, ("REDIS_URL", "redis://127.0.0.1:1")][..], "2 problems"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut all = vec![("PORT", "0"), ("DATA_DIR", data.to_str().unwrap())];
        all.extend(env);
        let checked = command(dir.path(), &["config", "check"], &all).await;
        assert!(!checked.success, "{env:?}: {}", checked.stdout);
        assert!(checked.stderr.contains(word), "{env:?}: {}", checked.stderr);
        assert!(!checked.stderr.contains("hunter2"), "{}", checked.stderr);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{env:?} made something");
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let good = command(dir.path(), &["config", "check"], &[("PORT", "0"), ("DATA_DIR", data.to_str().unwrap())]).await;
    assert!(good.success, "{}", good.stderr);
    assert!(!data.exists(), "a check makes no data folder");
    let status = command(dir.path(), &["migrate", "status"], &[("DATA_DIR", data.to_str().unwrap())]).await;
    assert!(status.success && status.stdout.contains("pending") && !data.exists(), "{}", status.stderr);
}

/// Catches a build that says of all of them that it cannot set up accounts.
#[tokio::test]
async fn a_server_that_cannot_start_names_the_part_that_failed() {
    for (folder, word) in [("spool", "uploaded"), ("media", "media store")] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join(folder), "a file").unwrap();
        for args in [&["serve"][..], &["config", "check"]] {
            let refused = command(dir.path(), args, &[("PORT", "0"), ("DATA_DIR", data.to_str().unwrap())]).await;
            assert!(!refused.success, "{args:?} with a file in the place of {folder}: {}", refused.stdout);
            let said = &refused.stderr;
            assert!(
                said.contains(word) && !said.contains("accounts") && !said.contains("our side"),
                "{args:?}: {said}"
            );
        }
    }
}

#[tokio::test]
async fn a_check_beside_a_running_server_finds_its_port_taken_by_it() {
    let app = App::start().await;
    let port = app.site.addr().port().to_string();
    let url = app.server.database_url();
    let dir = tempfile::tempdir().unwrap();
    let checked = command(dir.path(), &["config", "check"], &[("PORT", &port), ("DATABASE_URL", &url)]).await;
    assert!(checked.success && checked.stdout.contains("a server runs"), "{} {}", checked.stdout, checked.stderr);
    // Its port with another database, and, on SQLite, its file with another port: neither server would start.
    let other = url_of(&dir.path().join("other.db"));
    let mut alone = vec![(port.as_str(), other.as_str(), "cannot listen")];
    if url.starts_with("sqlite") {
        alone.push(("0", url.as_str(), "another process"));
    }
    for (port, url, problem) in alone {
        let checked = command(dir.path(), &["config", "check"], &[("PORT", port), ("DATABASE_URL", url)]).await;
        assert!(!checked.success && checked.stderr.contains(problem), "{port} {url}: {}", checked.stderr);
    }
}

#[tokio::test]
async fn a_database_address_as_python_writes_it_is_relative() {
    for (url, file) in [
        ("sqlite:///./chat.db", "chat.db"),
        ("sqlite:///chat.db", "chat.db"),
        ("sqlite+aiosqlite:///./folder/chat.db", "folder/chat.db"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let made = command(dir.path(), &["migrate", "up"], &[("DATABASE_URL", url)]).await;
        assert!(made.success, "{url}: {}", made.stderr);
        assert!(dir.path().join(file).exists(), "{url} is {file} in the working folder");
    }
}

/// Catches files with the mode that the process's mask leaves them.
#[tokio::test]
async fn nobody_else_on_the_machine_reads_what_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("new/data");
    let settings = Server::settings()
        .with("DATA_DIR", data.to_str().unwrap())
        .with("DATABASE_URL", &url_of(&data.join("parlour.db")))
        .with("SECRET_KEY", "");
    let app = App::with(settings).await;
    let ada = app.user("ada").await;
    ada.opens_a_group("private", &[]).await;
    ada.uploads(&File::picture(1)).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (mut files, mut folders) = (0, vec![data]);
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                files += 1;
            }
        }
    }
    assert!(files >= 6, "the database, its log, its lock, the key, the picture and the small one");
}

/// A file in the working folder may stand for the environment, which wins.
#[tokio::test]
async fn variables_may_stand_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".env");
    let lines = "# settings\nexport PUBLIC_URL='HTTPS://chat.example'\nMAX_CHAT_PARTICIPANTS=7\nLOG_LEVEL=\"warn\"\n";
    fs::write(&file, lines).unwrap();
    let shown = command(dir.path(), &["config", "show"], &[("LOG_LEVEL", "error")]).await;
    for line in ["public_url = \"https://chat.example\"", "max_members = 7", "level = \"error\""] {
        assert!(shown.stdout.contains(line), "{line}: {} {}", shown.stdout, shown.stderr);
    }
    fs::write(&file, "PORT=0\nSECRET_KEY hunter2\n").unwrap();
    for args in [&["serve"][..], &["config", "check"], &["config", "show"]] {
        let refused = command(dir.path(), args, &[]).await;
        assert!(!refused.success && refused.stderr.contains(".env, line 2"), "{args:?}: {}", refused.stderr);
        assert!(!refused.stderr.contains("hunter2"), "{args:?}: {}", refused.stderr);
    }
    fs::write(&file, "PORT=many\n").unwrap();
    let refused = command(dir.path(), &["config", "check"], &[]).await;
    assert!(refused.stderr.contains("PORT in .env: must be a whole number"), "{}", refused.stderr);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(command(dir.path(), &["config", "show"], &[]).await.success, "a folder of that name is none of ours");
}

#[tokio::test]
async fn staging_is_as_strict_as_production() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["staging", "Staging", "prod"] {
        let refused = command(dir.path(), &["serve"], &[("ENVIRONMENT", name), ("PORT", "0")]).await;
        assert!(!refused.success && refused.stderr.contains("secret key"), "{name}: {}", refused.stderr);
    }
    for name in ["dev", "test", "LOCAL"] {
        let shown = command(dir.path(), &["config", "show"], &[("ENVIRONMENT", name)]).await;
        assert!(shown.stdout.contains("environment = \"development\""), "{name}: {}", shown.stdout);
    }
}

#[tokio::test]
async fn the_server_says_how_many_members_a_group_may_have() {
    let mut settings = Server::settings().with("MAX_CHAT_PARTICIPANTS", "3");
    if let Some(url) = postgres::fresh_database().await {
        settings = settings.with("DATABASE_URL", &url);
    }
    let app = App::with(settings).await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let (cleo, dan) = (app.user("cleo").await, app.user("dan").await);
    let room = json!({"room_type": "group", "name": "small", "member_ids": [bob.id, cleo.id, dan.id]});
    ada.post("/api/chat/rooms", room).await.refused("ROOM_FULL");
    let room = json!({"room_type": "group", "name": "small", "max_members": 4});
    ada.post("/api/chat/rooms", room).await.refused("VALIDATION_ERROR");
    let room = json!({"room_type": "group", "name": "small", "visibility": "public", "member_ids": [bob.id, cleo.id]});
    let room = ada.post("/api/chat/rooms", room).await.with_status(201);
    let id = room["id"].as_str().unwrap();
    ada.post(&format!("/api/chat/rooms/{id}/members"), json!({"user_ids": [dan.id]})).await.refused("ROOM_FULL");
    dan.post(&format!("/api/chat/rooms/{id}/join"), json!({})).await.refused("ROOM_FULL");
    ada.delete(&format!("/api/chat/rooms/{id}/members/{}", bob.id)).await;
    dan.post(&format!("/api/chat/rooms/{id}/join"), json!({})).await.with_status(200);
}

/// Catches a build that starts without a word on settings that nobody meant, and one that says "permission denied" and not where.
#[tokio::test]
async fn a_start_says_what_was_probably_meant() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    // The port is taken, so that each of them ends by itself.
    let serve = async |env: &[(&str, &str)]| {
        let all = [&[("HOST", "127.0.0.1"), ("PORT", port.as_str())], env].concat();
        command(dir.path(), &["serve"], &all).await.stderr
    };
    let said = serve(&[("PARLOUR_SERVER_PORT", "9000")]).await;
    assert!(said.contains("PARLOUR_SERVER_PORT is not read; did you mean `PARLOUR__SERVER__PORT`?"), "{said}");
    assert!(said.contains("set PORT to another one"), "{said}");
    let said = serve(&[("SECRET_KEY", "hunter2")]).await;
    assert!(said.contains("SECRET_KEY has 7 bytes") && !said.contains("hunter2"), "{said}");
    let said = serve(&[("DATA_DIR", "/dev/null/data")]).await;
    assert!(said.contains("/dev/null/data") && said.contains("with DATA_DIR"), "{said}");
}
