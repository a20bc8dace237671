//! What the shop sells.

use serde::Serialize;

#[derive(Serialize)]
pub struct Product {
    pub id: &'static str,
    pub name: &'static str,
    /// In cents. It is looked up here and never taken from a request or a session.
    pub price: u64,
}

const PRODUCTS: [Product; 3] = [
    Product { id: "tea", name: "Tea", price: 450 },
    Product { id: "cup", name: "Cup", price: 1_290 },
    Product { id: "kettle", name: "Kettle", price: 3_900 },
];

pub fn find(id: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.id == id)
}
