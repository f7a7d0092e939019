//! Finding public rooms.

use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    auth::Actor,
    chat::{Chat, view},
    contract::{
        RoomType, Visibility,
        list::{Page, RoomList, SearchQuery},
        text,
    },
    db::{Pool, query},
    error::{Error, Result},
};
use entity::{fold::fold, room};

/// The longest search text, in characters.
const SEARCH_CHARS: usize = 100;

/// Public rooms whose name or description contains a text, the latest activity first.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub async fn public(chat: &Chat, actor: &Actor, query: SearchQuery) -> Result<RoomList> {
    let page = query.page().check()?;
    let search = query.search.unwrap_or_default();
    Error::check([text::prose("search", &search, SEARCH_CHARS)])?;
    if search.is_empty() {
        return matches(chat, chat.db.read(), page, "").await;
    }
    chat.searches.take(actor.user_id, matches(chat, chat.db.search(), page, search.trim())).await
}

async fn matches(chat: &Chat, db: &Pool, page: Page, search: &str) -> Result<RoomList> {
    let found = room::Entity::find()
        .filter(room::Column::Visibility.eq(Visibility::Public))
        .filter(room::Column::RoomType.eq(RoomType::Group))
        .filter(room::Column::DeletedAt.is_null())
        .filter(matching(search));
    let total = found.clone().count(db).await?;
    let rooms = found
        .order_by_desc(room::Column::ActiveAt)
        .order_by_desc(room::Column::Id)
        .offset(page.offset())
        .limit(page.size())
        .all(db)
        .await?;
    let shown = rooms.into_iter().map(|room| view::room(room, &chat.files.signer));
    Ok(RoomList { rooms: shown.collect(), info: page.info(total) })
}

fn matching(search: &str) -> Condition {
    let key = fold(search);
    let part = query::containing(&key);
    Condition::all().add_option((!key.is_empty()).then(|| room::Column::SearchKey.like(part)))
}
