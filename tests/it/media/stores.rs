//! The stand-ins for object stores refuse what the real ones refuse: otherwise what passes with them says little.

use serde_json::{Value, json};

use crate::support::{
    SOON, Server, eventually,
    store::{Store, StoreKind},
};

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(SOON).build().expect("a plain client can be built")
}

/// What the server under test would be told about `store`.
fn setting(store: &Store, key: &str) -> String {
    let settings = store.settings(Server::settings());
    settings.value(key).unwrap_or_else(|| panic!("{key} is set")).to_owned()
}

#[tokio::test]
async fn the_s3_stand_in_answers_nobody_without_a_signature() {
    let store = Store::start(StoreKind::S3).await;
    let url = format!("{}/{}/a", setting(&store, "AWS_ENDPOINT_URL"), setting(&store, "AWS_BUCKET"));
    assert_eq!(http().put(&url).body("bytes").send().await.unwrap().status(), 403);
    assert_eq!(http().get(&url).send().await.unwrap().status(), 403);
    let forged = format!(
        "{url}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}%2F20260120%2Feu-central-1%2Fs3%2Faws4_request\
         &X-Amz-Date=20260120T100000Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature={}",
        setting(&store, "AWS_ACCESS_KEY_ID"),
        "0".repeat(64)
    );
    assert_eq!(http().get(&forged).send().await.unwrap().status(), 403);
    assert_eq!(store.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn moto_has_a_bucket_for_each_test() {
    let (one, other) = (Store::start(StoreKind::Moto).await, Store::start(StoreKind::Moto).await);
    let url = format!("{}/{}/folder/a", setting(&one, "AWS_ENDPOINT_URL"), setting(&one, "S3_BUCKET"));
    http().put(&url).body("bytes").send().await.unwrap().error_for_status().unwrap();
    assert_eq!(one.keys().await, ["folder/a"]);
    assert_eq!(other.keys().await, Vec::<String>::new());
}

/// Supabase with the key that it wants.
struct Supabase(Store);

impl Supabase {
    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let key = setting(&self.0, "SUPABASE_SECRET_KEY");
        self.without_key(method, path).header("apikey", &key).bearer_auth(key)
    }

    fn without_key(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/storage/v1{path}", setting(&self.0, "SUPABASE_URL"));
        http().request(method.parse().unwrap(), url)
    }
}

/// Status and body of an answer.
async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn the_supabase_stand_in_wants_a_key_and_a_free_name() {
    let supabase = Supabase(Store::start(StoreKind::Supabase).await);
    let path = format!("/object/{}/folder/a.txt", setting(&supabase.0, "SUPABASE_BUCKET"));
    let (status, _) = answer(supabase.without_key("POST", &path).body("bytes")).await;
    assert_eq!(status, 401);
    let stored = answer(supabase.request("POST", &path).body("bytes")).await;
    assert_eq!((stored.0, &stored.1["Key"]), (200, &json!("chat-media/folder/a.txt")));
    let (status, error) = answer(supabase.request("POST", &path).body("others")).await;
    assert_eq!((status, &error["statusCode"], &error["error"]), (400, &json!("409"), &json!("Duplicate")));
    let (status, error) = answer(supabase.request("GET", "/object/no-such-bucket/a.txt")).await;
    assert_eq!((status, &error["statusCode"]), (400, &json!("404")));
    let part = supabase.request("GET", &path).header("range", "bytes=1-2").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.text().await.unwrap(), "yt");
    let list = json!({"prefix": ""});
    let bucket = setting(&supabase.0, "SUPABASE_BUCKET");
    let (_, entries) = answer(supabase.request("POST", &format!("/object/list/{bucket}")).json(&list)).await;
    assert_eq!((&entries[0]["name"], &entries[0]["id"]), (&json!("folder"), &Value::Null));
    let prefixes = json!({"prefixes": ["folder/a.txt", "absent"]});
    let (_, removed) = answer(supabase.request("DELETE", &format!("/object/{bucket}")).json(&prefixes)).await;
    assert_eq!(removed.as_array().map(Vec::len), Some(1));
    assert_eq!(supabase.0.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_signed_url_of_the_supabase_stand_in_is_for_one_object() {
    let supabase = Supabase(Store::start(StoreKind::Supabase).await);
    let bucket = setting(&supabase.0, "SUPABASE_BUCKET");
    let (_, signed) = answer(supabase.request("POST", &format!("/object/upload/sign/{bucket}/a"))).await;
    let url = signed["url"].as_str().unwrap();
    let elsewhere = url.replace("/a?", "/b?");
    assert_eq!(answer(supabase.without_key("PUT", &elsewhere).body("bytes")).await.0, 400);
    assert_eq!(answer(supabase.without_key("PUT", url).body("bytes")).await.0, 200);
    assert_eq!(answer(supabase.without_key("PUT", url).body("others")).await.1["error"], "Duplicate");
    let sign = supabase.request("POST", &format!("/object/sign/{bucket}/a")).json(&json!({"expiresIn": 60}));
    let (_, signed) = answer(sign).await;
    let url = signed["signedURL"].as_str().unwrap();
    assert_eq!(supabase.without_key("GET", url).send().await.unwrap().text().await.unwrap(), "bytes");
    assert_eq!(answer(supabase.without_key("GET", &format!("{url}x"))).await.1["error"], "InvalidJWT");
}

#[tokio::test]
async fn a_blocked_store_hangs_or_resets_and_comes_back() {
    let store = Store::start(StoreKind::Supabase).await;
    let url = format!("{}/storage/v1/bucket/any", setting(&store, "SUPABASE_URL"));
    let asked = async || http().get(&url).send().await;
    asked().await.unwrap();
    store.cut();
    asked().await.unwrap_err();
    store.stall();
    let waiting = tokio::spawn(http().get(&url).send());
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    store.resume();
    waiting.await.unwrap().unwrap();
    eventually(SOON, "the store answers again", async || asked().await.is_ok()).await;
}
