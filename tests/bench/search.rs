//! How long a search takes among 1,000,000 messages in 1,000 rooms, and what the index costs those who send.
//!
//! `cargo bench --bench search`, on SQLite in a temporary folder, or in the empty PostgreSQL that `DATABASE_URL` names. Fewer
//! messages: `cargo bench --bench search -- 100000`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails says so by failing")]
#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use entity::{
    HistoryAccess, MemberId, MessageId, MessageType, Role, RoomId, RoomType, Seq, SessionId, Timestamp, UserId,
    Visibility, follower_cursor, member, message, room, user,
};
use parlour::{
    app::App,
    auth::Actor,
    chat,
    config::Config,
    contract::{message::SendMessage, search::Search},
    db::Db,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QuerySelect};

const ROOMS: usize = 1_000;
const WORDS: [&str; 12] = [
    "harbour",
    "qwen3.6",
    "lighthouse",
    "the",
    "and",
    "Straße",
    "你好世界",
    "anchor",
    "signal",
    "morning",
    "tide",
    "rope",
];

#[tokio::main]
async fn main() {
    let messages = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000_usize);
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let db = Db::open(&config).await.unwrap();
    db.migrate_up().await.unwrap();
    let people = seed(&db, messages).await;

    let (app, inlet, tasks) = App::new(config, db.clone()).unwrap();
    let running = tasks.start();
    let quiet = tokio::spawn(drain(inlet.own));
    let began = Instant::now();
    while indexed(&db).await < i64::try_from(messages).unwrap() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let took = began.elapsed();
    println!("indexed {messages} messages in {took:.1?}: {:.0}/s", messages as f64 / took.as_secs_f64());

    for (who, person) in [("of all rooms", &people[0]), ("of ten rooms", &people[1])] {
        for query in ["harbour", "the", "qwen", "needle", "ighthous", "anchor rope", "strasse", "你好", "zebra", "ab"]
        {
            measure(&app, person, who, query).await;
        }
    }

    let silent = sending(&app, &people[0]).await;
    quiet.abort();
    println!("sending, the index not told: {silent:.0} messages/s");
    drop(running);
    let (app, inlet, mut tasks) = App::new(self::config(folder.path()), db).unwrap();
    tasks.add("delivery", app.delivery().run(inlet));
    let _running = tasks.start();
    let told = sending(&app, &people[0]).await;
    println!("sending, the index following: {told:.0} messages/s, {:.2} of that", told / silent);
}

fn config(folder: &Path) -> Config {
    let mut config = Config::defaults();
    config.server.data_dir = folder.to_owned();
    config.database.url = std::env::var("DATABASE_URL").unwrap_or_default().into();
    config.limits.enabled = false;
    config.complete_secret_key().unwrap();
    config
}

/// A person of all rooms and one of ten, and the messages.
async fn seed(db: &Db, messages: usize) -> [Actor; 2] {
    let now = Timestamp(1_790_000_000_000);
    let people = [UserId::new(), UserId::new()];
    let tx = db.begin().await.unwrap();
    for (number, id) in people.into_iter().enumerate() {
        let account = user::Model {
            id,
            email: format!("person{number}@example.com"),
            username: Some(format!("person{number}")),
            username_key: Some(format!("person{number}")),
            password_hash: None,
            full_name: None,
            name_key: None,
            avatar_url: None,
            avatar_media_id: None,
            is_active: true,
            is_verified: false,
            is_superuser: false,
            is_bot: false,
            shares_receipts: true,
            created_at: now,
            profile_changed_at: None,
            erasing: None,
            is_invisible: false,
            last_login: None,
            last_seen_at: None,
        };
        user::Entity::insert(account.into_active_model().reset_all()).exec_without_returning(&tx).await.unwrap();
    }
    let each = messages / ROOMS;
    for number in 0..ROOMS {
        let id = RoomId::new();
        let end = i64::try_from(each).unwrap();
        let room = room::Model {
            id,
            room_type: RoomType::Group,
            visibility: Visibility::Private,
            name: Some(format!("room {number}")),
            description: None,
            search_key: None,
            avatar_url: None,
            avatar_media_id: None,
            created_by: people[0],
            max_members: None,
            member_count: 2,
            message_count: end,
            last_seq: Seq(end),
            last_message_seq: Seq(end),
            history: HistoryAccess::All,
            slow_mode_seconds: 0,
            ai_enabled: false,
            ai_model: None,
            direct_key: None,
            created_at: now,
            updated_at: now,
            active_at: now,
            deleted_at: None,
        };
        room::Entity::insert(room.into_active_model().reset_all()).exec_without_returning(&tx).await.unwrap();
        let members = people.into_iter().take(if number < 10 { 2 } else { 1 }).map(|user_id| member::ActiveModel {
            id: Set(MemberId::new()),
            room_id: Set(id),
            user_id: Set(user_id),
            role: Set(Role::Owner),
            joined_at: Set(now),
            joined_seq: Set(Seq(0)),
            last_read_seq: Set(Seq(0)),
            last_read_at: Set(None),
            muted_until: Set(None),
            last_sent_at: Set(None),
            left_at: Set(None),
            participates: Set(true),
            times_left: Set(0),
        });
        member::Entity::insert_many(members).exec_without_returning(&tx).await.unwrap();
        let mut seq = 0;
        while seq < end {
            let piece = (seq + 1..=end.min(seq + 500)).map(|seq| said(id, people[0], seq, number, now));
            message::Entity::insert_many(piece).exec_without_returning(&tx).await.unwrap();
            seq += 500;
        }
    }
    tx.commit().await.unwrap();
    people.map(|user_id| Actor { user_id, session_id: SessionId::new(), expires_at: Timestamp(i64::MAX) })
}

/// Ten words, the same ones every time; one message in a room has the needle.
fn said(room: RoomId, sender: UserId, seq: i64, number: usize, now: Timestamp) -> message::ActiveModel {
    let mut state = u64::try_from(seq).unwrap() * 2_654_435_761 + number as u64 * 40_503;
    let mut text = String::new();
    for _ in 0..10 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[usize::try_from(state >> 33).unwrap() % WORDS.len()]);
        text.push_str(&format!("{} ", (state >> 40) % 50));
    }
    if seq == 7 && number % 100 == 3 {
        text.push_str("needle");
    }
    message::ActiveModel {
        id: Set(MessageId::new()),
        room_id: Set(room),
        seq: Set(Seq(seq)),
        sender_id: Set(sender),
        message_type: Set(MessageType::Text),
        content: Set(Some(text)),
        reply_to_id: Set(None),
        forwarded_from_id: Set(None),
        client_msg_id: Set(None),
        request_hash: Set(None),
        created_at: Set(Timestamp(now.0 + seq * 1_000)),
        edited_at: Set(None),
        deleted_at: Set(None),
    }
}

async fn indexed(db: &Db) -> i64 {
    let rooms: Vec<Seq> = follower_cursor::Entity::find()
        .select_only()
        .column(follower_cursor::Column::Seq)
        .into_tuple()
        .all(db.read())
        .await
        .unwrap();
    rooms.into_iter().map(|seq| seq.0).sum()
}

async fn measure(app: &App, person: &Actor, who: &str, query: &str) {
    let mut took = Vec::new();
    let mut total = 0;
    for _ in 0..40 {
        let search = Search {
            q: query.to_owned(),
            room_id: None,
            sender_id: None,
            before: None,
            after: None,
            page: None,
            page_size: None,
        };
        let began = Instant::now();
        total = parlour::search::search(&app.chat, person, search).await.unwrap().info.total;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    println!("{who}: {query:12} found {total:5}  p50 {:>7.1?}  p95 {:>7.1?}", took[20], took[38]);
}

/// Messages a second that one sender gets stored who has 256 on their way.
async fn sending(app: &Arc<App>, person: &Actor) -> f64 {
    let room = chat::room::list(&app.chat, person, parlour::contract::list::PageQuery::default()).await.unwrap();
    let room_id = room.rooms[0].id;
    let began = Instant::now();
    for batch in 0..80 {
        let request = |number: i32| {
            let body = serde_json::json!({"room_id": room_id, "content": format!("harbour signal {batch} {number}")});
            serde_json::from_value::<SendMessage>(body).unwrap()
        };
        let answers: Vec<_> =
            (0..256).map(|number| chat::message::submit(&app.chat, person, request(number)).unwrap()).collect();
        for answer in answers {
            chat::message::committed(answer).await.unwrap();
        }
    }
    f64::from(80 * 256) / began.elapsed().as_secs_f64()
}

async fn drain(mut notices: tokio::sync::mpsc::Receiver<parlour::cluster::bus::Notice>) {
    while notices.recv().await.is_some() {}
}
