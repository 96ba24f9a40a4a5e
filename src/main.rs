mod cli {
    pub mod prompt;
    pub mod terminal;
}

fn main() {}
