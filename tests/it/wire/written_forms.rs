//! Texts in the forms in which people and their keyboards write them.

use migration::MigratorTrait;
use reqwest::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::{App, File, Gallery, Person, Room, SOON, int, list, people::PASSWORD, store::StoreKind, text};

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Joiners between letters that join, and inside emojis, are part of a name; elsewhere they hide in it.
#[tokio::test]
async fn names_have_joiners_where_they_join() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    for name in [
        "علی\u{200c}رضا",
        "پرویز مشکاتیان\u{200c}پور",
        "പ്രവീണ്\u{200d}",
        "क्\u{200d}षमा",
        "র\u{200d}্যাব",
        "ශ්\u{200d}රී ලංකා",
        "👨\u{200d}👩\u{200d}👧 Family",
        "Team 👩🏽\u{200d}💻",
        "🏳\u{fe0f}\u{200d}🌈 Pride",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} England",
        "🇩🇪 1\u{fe0f}\u{20e3} 👍🏽",
        "Mia ❤\u{fe0f}",
    ] {
        let user = ada.patch("/api/users/me", json!({"full_name": name})).await.ok();
        assert_eq!(user["full_name"], name);
        let room = ada.opens(json!({"name": name}), &[]).await;
        assert_eq!(ada.room(&room).await["name"], name);
        let file = format!("{name}.txt");
        let uploaded = ada.uploads(&File::new(&file, "text/plain", "x")).await;
        assert_eq!(uploaded["filename"], file);
    }
    for name in [
        "Ada\u{200d}",
        "\u{200c}Ada",
        "A\u{200d}da",
        "A\u{200c}da",
        "علی\u{200c}",
        "علی\u{200c}\u{200c}رضا",
        "👩\u{200d}",
        "a\u{200d}👩",
        "Ada\u{202e}",
        "Ad\u{200b}a",
        "Ad\u{2066}a",
        "Ada\u{e0067}\u{e007f}",
        "Ada\u{fe0f}",
        "Ada\u{2060}",
    ] {
        ada.patch("/api/users/me", json!({"full_name": name})).await.refused("VALIDATION_ERROR");
        ada.post("/api/chat/rooms", json!({"room_type": "group", "name": name})).await.refused("VALIDATION_ERROR");
    }
    let uploaded = ada.uploads(&File::new("exe\u{202e}\u{200d}gpj.txt", "text/plain", "x")).await;
    assert_eq!(uploaded["filename"], "exegpj.txt", "a file's name is cleaned");
    let long = "e\u{301}".repeat(100);
    ada.patch("/api/users/me", json!({"full_name": long})).await.ok();
    ada.opens(json!({"name": long, "description": "o\u{308}".repeat(1_000), "ai_model": "e\u{301}".repeat(64)}), &[])
        .await;
    ada.patch("/api/users/me", json!({"full_name": format!("{long}x")})).await.refused("VALIDATION_ERROR");
}

/// However it was written, one emoji is one reaction, over each transport, and is shown in one form.
#[tokio::test]
async fn an_emoji_has_one_form() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("hearts", &[&bob]).await;
    let mut hearing = ada.enters(&room).await;
    let socket = bob.connects().await;
    for (forms, shown) in [
        (["❤", "❤\u{fe0f}", "❤\u{fe0e}"], "❤\u{fe0f}"),
        (["☺\u{fe0e}", "☺", "☺\u{fe0f}"], "☺\u{fe0f}"),
        (["👍\u{fe0f}", "👍", "👍\u{fe0e}"], "👍"),
        (["👩\u{200d}⚕", "👩\u{200d}⚕\u{fe0f}", "👩\u{fe0f}\u{200d}⚕"], "👩\u{200d}⚕\u{fe0f}"),
        (["1\u{20e3}", "1\u{fe0f}\u{20e3}", "1\u{fe0e}\u{20e3}"], "1\u{fe0f}\u{20e3}"),
    ] {
        let message = ada.says(&room, "look").await;
        let path = |rest: &str| format!("/api/chat/messages/{}/reactions{rest}", text(&message, "id"));
        ada.post(&path(""), json!({"emoji": forms[0]})).await.with_status(200);
        let put = bob.put(&path(&format!("/{}", encoded(forms[1]))), json!({})).await.with_status(200);
        assert_eq!(put["reactions"], json!([{"emoji": shown, "count": 2, "mine": true}]), "{forms:?}");
        let emitted = json!({"message_id": message["id"], "emoji": forms[2]});
        assert_eq!(socket.ask("add_reaction", emitted.clone()).await, put, "it is there already");
        for person in [&ada, &bob] {
            let added = hearing.expect("reaction_added").await;
            assert_eq!((&added["emoji"], &added["user_id"]), (&json!(shown), &json!(person.id)));
        }
        assert_eq!(socket.ask("remove_reaction", emitted).await["reactions"][0]["count"], 1);
        let left = ada.delete(&path(&format!("/{}/", encoded(forms[1])))).await.with_status(200);
        assert_eq!(left["reactions"], json!([]));
        for _ in 0..2 {
            assert_eq!(hearing.expect("reaction_removed").await["emoji"], shown);
        }
    }
}

async fn people_found(person: &Person, search: &str) -> i64 {
    int(&person.get(&format!("/api/users?search={}", encoded(search))).await.with_status(200), "total")
}

async fn rooms_found(person: &Person, search: &str) -> i64 {
    int(&person.get(&format!("/api/chat/rooms/public?search={}", encoded(search))).await.with_status(200), "total")
}

/// The databases fold the case of ASCII letters only, or as their locale has it.
#[tokio::test]
async fn people_and_rooms_are_found_in_any_case_and_script() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    for (name, searches) in [
        ("Иван Петров", ["иван", "ИВАН", "петРОВ"]),
        ("Élodie Ängström", ["élodie", "ÄNGSTRÖM", "e\u{301}lodie"]),
        ("Özgür Şahin", ["özgür", "ŞAHİN", "sahin"]),
        ("İbrahim Diyarbakır", ["ibrahim", "i̇brahim", "DIYARBAKIR"]),
        ("ΟΔΥΣΣΕΥΣ", ["οδυσσευς", "οδυσσευσ", "Οδυσσεύς"]),
        ("Straße", ["STRASSE", "straße", "STRAẞE"]),
        ("علی\u{200c}رضا", ["علی\u{200c}رضا", "علیرضا", "رضا"]),
    ] {
        ada.patch("/api/users/me", json!({"full_name": name})).await.ok();
        let room = ada.opens(json!({"visibility": "public", "name": name}), &[]).await;
        let about = ada.opens(json!({"visibility": "public", "name": "x", "description": name}), &[]).await;
        for search in searches {
            assert_eq!(people_found(&bob, search).await, 1, "the person {name} by {search}");
            assert_eq!(rooms_found(&bob, search).await, 2, "the rooms of {name} by {search}");
        }
        ada.patch(&room.path(""), json!({"name": "renamed"})).await.ok();
        ada.patch(&about.path(""), json!({"description": null})).await.ok();
        assert_eq!(rooms_found(&bob, searches[0]).await, 0, "{name} is the name no more");
        ada.patch("/api/users/me", json!({"full_name": ""})).await.ok();
        assert_eq!(people_found(&bob, searches[0]).await, 0, "{name} is the name no more");
    }
    assert_eq!(rooms_found(&bob, "RENAMED").await, 7);
    assert_eq!(people_found(&bob, &"%_".repeat(50)).await, 0);
    app.user("kate").await;
    let kelvin = json!({"username": "\u{212a}ate", "password": PASSWORD});
    app.site.post("/api/auth/login").json(&kelvin).send().await.refused("INVALID_CREDENTIALS");
}

async fn found(person: &Person, query: &str) -> Vec<String> {
    let page = person.get(&format!("/api/chat/search?q={}", encoded(query))).await.with_status(200);
    list(&page, "messages").iter().map(|message| text(message, "content")).collect()
}

/// Accents do not matter, and who types them sees those that have them first.
#[tokio::test]
async fn messages_are_found_without_their_accents() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("tongues", &[]).await;
    for content in [
        "un café",
        "the cafe",
        "CAFE\u{301} noir",
        "Ёлка",
        "όσος",
        "naïve",
        "กิน",
        "কি",
        "Łódź",
        "smørrebrød",
        "שָׁלוֹם",
        "مُحَمَّد",
    ] {
        ada.says(&room, content).await;
    }
    for (query, contents) in [
        ("cafe", vec!["the cafe", "CAFE\u{301} noir", "un café"]),
        ("café", vec!["CAFE\u{301} noir", "un café", "the cafe"]),
        ("Cafe\u{301}", vec!["CAFE\u{301} noir", "un café", "the cafe"]),
        ("елка", vec!["Ёлка"]),
        ("ΟΣΟΣ", vec!["όσος"]),
        ("naive", vec!["naïve"]),
        ("กิน", vec!["กิน"]),
        ("lodz", vec!["Łódź"]),
        ("SMORREBROD", vec!["smørrebrød"]),
        ("שלום", vec!["שָׁלוֹם"]),
        ("محمد", vec!["مُحَمَّد"]),
        ("\"un café\"", vec!["un café"]),
        ("“the cafe”", vec!["the cafe"]),
        ("\"cafe the\"", vec![]),
        ("กน", vec![]),
        ("কা", vec![]),
    ] {
        assert_eq!(found(&ada, query).await, contents, "{query}");
    }
    let accented = ada.says(&room, "déjà vu").await;
    let change = json!({"content": "de\u{301}ja\u{300} vu"});
    let same = ada.patch(&format!("/api/chat/messages/{}", text(&accented, "id")), change).await.ok();
    assert_eq!(same["is_edited"], json!(false), "it reads the same");
    let page = ada.get("/api/chat/search?q=cafe").await.with_status(200);
    let excerpts: Vec<String> = list(&page, "messages").iter().map(|message| text(message, "excerpt")).collect();
    assert_eq!(excerpts[1], "<mark>CAFE\u{301}</mark> noir");
}

/// A keyboard writes an accent as one character or as two: the password is the same.
#[tokio::test]
async fn a_password_is_the_same_however_its_letters_are_put_together() {
    let app = App::start().await;
    let mut ada = app.user("ada").await;
    let (composed, decomposed) = ("cr\u{e8}me br\u{fb}l\u{e9}e", "cre\u{300}me bru\u{302}le\u{301}e");
    let mut present = PASSWORD;
    for (set, other) in [(decomposed, composed), (composed, decomposed)] {
        let change = json!({"current_password": present, "password": set});
        ada.patch("/api/users/me", change).await.ok();
        for password in [set, other] {
            ada.login(password).await.with_status(200);
        }
        ada.login("creme brulee").await.refused("INVALID_CREDENTIALS");
        ada.sign_in_with(other).await;
        present = other;
    }
    let short = json!({"current_password": present, "password": "e\u{301}".repeat(7)});
    ada.patch("/api/users/me", short).await.refused("VALIDATION_ERROR");
    let long = json!({"current_password": present, "password": "e\u{301}".repeat(128)});
    ada.patch("/api/users/me", long).await.ok();
}

/// One slash at the end of an address is no other address; a redirect would lose the body of a request.
#[tokio::test]
async fn an_address_may_have_a_slash_behind_it() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let rooms = "/api/chat/rooms/";
    let body = json!({"room_type": "group", "name": "slashed", "visibility": "public"});
    let room = Room::of(&ada.post(rooms, body).await.with_status(201));
    let message = json!({"room_id": room.id, "content": "x"});
    let sent = ada.post("/api/chat/messages/", message).await.with_status(201);
    for path in [
        rooms.to_owned(),
        room.path("/"),
        room.path("/messages/?limit=5"),
        room.path("/members/?page=1"),
        format!("/api/chat/messages/{}/", text(&sent, "id")),
        "/api/users/?search=bob".to_owned(),
        "/api/users/me/".to_owned(),
        "/api/auth/me/".to_owned(),
        "/api/chat/rooms/public/".to_owned(),
        "/api/chat/search/?q=x".to_owned(),
        "/healthz/".to_owned(),
    ] {
        assert_eq!(ada.get(&path).await.status, 200, "{path}");
    }
    bob.post(&room.path("/join/"), Value::Null).await.with_status(200);
    ada.patch("/api/users/me/", json!({"full_name": "Ada"})).await.with_status(200);
    let login = json!({"email": bob.email, "password": PASSWORD});
    app.site.post("/api/auth/login/").json(&login).send().await.with_status(200);
    let reaction = format!("/api/chat/messages/{}/reactions/%F0%9F%8E%89/", text(&sent, "id"));
    bob.put(&reaction, Value::Null).await.with_status(200);
    bob.request(Method::DELETE, &reaction).send().await.with_status(200);
    ada.get("/api/nothing/").await.refused("NOT_FOUND");
    for twice in ["/api/chat/rooms//", "/api//chat/rooms", "//api/chat/rooms"] {
        assert_eq!(ada.get(twice).await.status, 404, "{twice}");
    }
    bob.delete(&room.path("/members/me/")).await.refused("VALIDATION_ERROR");
    ada.delete(&room.path("/")).await.with_status(204);
    let handshake = app.site.get("/socket.io/?EIO=4&transport=polling").send().await;
    assert_eq!(handshake.status, 200);
    drop(tokio::time::timeout(SOON, ada.connects()).await.expect("sockets are as before"));
}

/// Rows of a version that knew neither keys of names nor one form of each emoji.
#[tokio::test]
async fn what_was_stored_before_is_found_as_well() {
    let mut app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    ada.patch("/api/users/me", json!({"full_name": "Élodie Иванова"})).await.ok();
    let room = ada.opens(json!({"visibility": "public", "name": "Книжный клуб", "description": "Ü"}), &[&bob]).await;
    let message = ada.says(&room, "un café").await;
    let path = |rest: &str| format!("/api/chat/messages/{}/reactions{rest}", text(&message, "id"));
    for (person, emoji) in [(&ada, "❤"), (&bob, "❤"), (&bob, "👍")] {
        person.post(&path(""), json!({"emoji": emoji})).await.ok();
    }
    app.server.kill_9();
    let db = app.server.database().await;
    let newer = migration::Migrator::migrations().iter().filter(|one| one.name() >= "m20260101_000020").count();
    migration::Migrator::down(&db, u32::try_from(newer).ok()).await.unwrap();
    // Bob's thumb becomes a second heart of his, as it could be in two forms.
    for table in ["reactions", "room_events"] {
        db.execute_unprepared(&format!("UPDATE {table} SET emoji = '❤' WHERE emoji = '👍'")).await.unwrap();
    }
    app.start_again().await;
    let seen = bob.history(&room).await;
    assert_eq!(seen[0]["reactions"], json!([{"emoji": "❤\u{fe0f}", "count": 2, "mine": true}]));
    let left = bob.delete(&path(&format!("/{}", encoded("❤")))).await.with_status(200);
    assert_eq!(left["reactions"], json!([{"emoji": "❤\u{fe0f}", "count": 1, "mine": false}]));
    assert_eq!(people_found(&bob, "ИВАНОВА").await, 1);
    assert_eq!(rooms_found(&bob, "книжный").await, 1);
    assert_eq!(rooms_found(&bob, "ü").await, 1);
    assert_eq!(found(&bob, "cafe").await, ["un café"]);
}
