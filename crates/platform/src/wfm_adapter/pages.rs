//! Answers as JSON or CSV, in pages.

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::{Json, http::HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use net::http::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::csv;

/// The most rows of a page, and the usual number.
const PAGE_MAX: usize = 1_000;
const PAGE_USUAL: usize = 500;
/// Where an answer in CSV has the token of the next page.
const NEXT_PAGE: HeaderName = HeaderName::from_static("x-next-page-token");
/// Where it says from when on the history is known.
const HISTORY_BEGINS: HeaderName = HeaderName::from_static("x-history-begins");

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RowFormat {
    #[default]
    Json,
    Csv,
}

/// A row of an answer, in both forms.
pub(super) trait WorkforceRow: Serialize {
    const COLUMNS: &'static [&'static str];

    /// Its fields, in the order of the columns.
    fn fields(&self) -> Vec<String>;
}

/// Rows, with the token of those that follow; empty on the last page.
#[derive(Serialize, JsonSchema)]
pub(super) struct RowPage<R> {
    items: Vec<R>,
    next_page_token: String,
    /// From when on the history is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    history_begins: Option<String>,
}

impl<R: WorkforceRow> RowPage<R> {
    /// All rows.
    pub const fn whole(items: Vec<R>) -> Self {
        Self { items, next_page_token: String::new(), history_begins: None }
    }

    /// The first `size` rows, where `key` names the last of them for the page after it.
    pub fn first(
        rows: impl Iterator<Item = R>,
        size: Option<usize>,
        key: impl Fn(&R) -> String,
    ) -> Result<Self, Problem> {
        let size = size.unwrap_or(PAGE_USUAL);
        if size == 0 || size > PAGE_MAX {
            return Err(Problem::bad_request(format!("page_size: it must be 1 to {PAGE_MAX}")));
        }
        let mut items: Vec<R> = rows.take(size + 1).collect();
        let has_more = items.len() > size;
        items.truncate(size);
        let last = items.last().filter(|_| has_more);
        let next_page_token = last.map(|row| URL_SAFE_NO_PAD.encode(key(row))).unwrap_or_default();
        Ok(Self { items, next_page_token, history_begins: None })
    }

    /// The same rows, which are of a history that begins then.
    pub fn beginning(self, history_begins: String) -> Self {
        Self { history_begins: Some(history_begins), ..self }
    }

    /// The answer.
    pub fn answer(self, format: RowFormat) -> Response {
        if format == RowFormat::Json {
            return ([(header::CACHE_CONTROL, "no-store")], Json(self)).into_response();
        }
        let mut text = String::new();
        csv::append_line(&mut text, R::COLUMNS.iter().copied());
        for row in &self.items {
            csv::append_line(&mut text, row.fields().iter().map(String::as_str));
        }
        let head = [
            (header::CACHE_CONTROL, "no-store".to_owned()),
            (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()),
            (NEXT_PAGE, self.next_page_token),
        ];
        let begins = self.history_begins.map(|begins| [(HISTORY_BEGINS, begins)]);
        (head, begins, text).into_response()
    }
}

/// The key that a token stands for.
pub(super) fn key_of(token: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
    let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
    key.map(Some).ok_or_else(|| Problem::bad_request("page_token: it is none of ours"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Named {
        name: &'static str,
    }

    impl WorkforceRow for Named {
        const COLUMNS: &'static [&'static str] = &["name"];

        fn fields(&self) -> Vec<String> {
            vec![self.name.to_owned()]
        }
    }

    #[test]
    fn a_page_says_where_the_next_begins_and_the_last_one_says_nothing() {
        let rows = || ["ada", "bob", "cy"].into_iter().map(|name| Named { name });
        let page = RowPage::first(rows(), Some(2), |row| row.name.to_owned()).unwrap();
        assert_eq!(page.items.len(), 2);
        assert_eq!(key_of(Some(&page.next_page_token)).unwrap().as_deref(), Some("bob"));
        let page = RowPage::first(rows(), Some(3), |row| row.name.to_owned()).unwrap();
        assert_eq!((page.items.len(), page.next_page_token.as_str()), (3, ""));
        assert!(RowPage::first(rows(), Some(0), |row| row.name.to_owned()).is_err());
        assert!(serde_json::to_value(page.beginning("then".to_owned())).unwrap()["history_begins"] == "then");
        assert!(key_of(Some("§")).is_err() && key_of(Some("")).unwrap().is_none());
    }
}
