//! Single shift tables: what an escape (1B) and one more septet mean.
//!
//! 3GPP TS 23.038 clause 6.2.1.1 (the default one) and annex A.2 (the national ones). A blank is a void cell: it
//! is read as the character that the base alphabet has there, and never written.

use super::language::{Language, Table, table};

/// The single shift table of `language`, the default extension table for none.
pub(super) const fn single(language: Option<Language>) -> &'static Table {
    let Some(language) = language else { return &DEFAULT };
    match language {
        Language::Turkish => &TURKISH,
        Language::Spanish => &SPANISH,
        Language::Portuguese => &PORTUGUESE,
        Language::Bengali => &BENGALI,
        Language::Gujarati => &GUJARATI,
        Language::Hindi => &HINDI,
        Language::Kannada => &KANNADA,
        Language::Malayalam => &MALAYALAM,
        Language::Oriya => &ORIYA,
        Language::Punjabi => &PUNJABI,
        Language::Tamil => &TAMIL,
        Language::Telugu => &TELUGU,
        Language::Urdu => &URDU,
    }
}

/// TS 23.038 clause 6.2.1.1.
static DEFAULT: Table = table(
    "          \u{c}     \
     \x20   ^           \
     \x20       {}     \\\
     \x20           [~] \
     |               \
     \x20               \
     \x20    €          \
     \x20               ",
);

/// TS 23.038 clause A.2.1.
static TURKISH: Table = table(
    "          \u{c}     \
     \x20   ^           \
     \x20       {}     \\\
     \x20           [~] \
     |      Ğ İ      \
     \x20  Ş            \
     \x20  ç € ğ ı      \
     \x20  ş            ",
);

/// TS 23.038 clause A.2.2.
static SPANISH: Table = table(
    "         ç\u{c}     \
     \x20   ^           \
     \x20       {}     \\\
     \x20           [~] \
     |Á       Í     Ó\
     \x20    Ú          \
     \x20á   €   í     ó\
     \x20    ú          ",
);

/// TS 23.038 clause A.2.3.
static PORTUGUESE: Table = table(
    "     ê   ç\u{c}Ôô Áá\
     \x20 ΦΓ^ΩΠΨΣΘ     Ê\
     \x20       {}     \\\
     \x20           [~] \
     |À       Í     Ó\
     \x20    Ú     ÃÕ   \
     \x20Â   €   í     ó\
     \x20    ú     ãõ  â",
);

/// TS 23.038 clause A.2.4.
static BENGALI: Table = script(
    "\u{9e6}\u{9e7} \u{9e8}\u{9e9}\u{9ea}\u{9eb}\u{9ec}\u{9ed}\u{9ee}\u{9ef}\u{9df}\u{9e0}\
     \u{9e1}\u{9e2}{}\u{9e3}\u{9f2}\u{9f3}\u{9f4}\u{9f5}\\\u{9f6}\u{9f7}\u{9f8}\
     \u{9f9}\u{9fa}       [~] ",
);

/// TS 23.038 clause A.2.5.
static GUJARATI: Table = script(
    "\u{964}\u{965} \u{ae6}\u{ae7}\u{ae8}\u{ae9}\u{aea}\u{aeb}\u{aec}\u{aed}\u{aee}\u{aef}\
     \x20 {}     \\   \
     \x20        [~] ",
);

/// TS 23.038 clause A.2.6.
static HINDI: Table = script(
    "\u{964}\u{965} \u{966}\u{967}\u{968}\u{969}\u{96a}\u{96b}\u{96c}\u{96d}\u{96e}\u{96f}\
     \u{951}\u{952}{}\u{953}\u{954}\u{958}\u{959}\u{95a}\\\u{95b}\u{95c}\u{95d}\
     \u{95e}\u{95f}\u{960}\u{961}\u{962}\u{963}\u{970}\u{971} [~] ",
);

/// TS 23.038 clause A.2.7.
static KANNADA: Table = script(
    "\u{964}\u{965} \u{ce6}\u{ce7}\u{ce8}\u{ce9}\u{cea}\u{ceb}\u{cec}\u{ced}\u{cee}\u{cef}\
     \u{cde}\u{cf1}{}\u{cf2}    \\   \
     \x20        [~] ",
);

/// TS 23.038 clause A.2.8.
static MALAYALAM: Table = script(
    "\u{964}\u{965} \u{d66}\u{d67}\u{d68}\u{d69}\u{d6a}\u{d6b}\u{d6c}\u{d6d}\u{d6e}\u{d6f}\
     \u{d70}\u{d71}{}\u{d72}\u{d73}\u{d74}\u{d75}\u{d7a}\\\u{d7b}\u{d7c}\u{d7d}\
     \u{d7e}\u{d7f}       [~] ",
);

/// TS 23.038 clause A.2.9.
static ORIYA: Table = script(
    "\u{964}\u{965} \u{b66}\u{b67}\u{b68}\u{b69}\u{b6a}\u{b6b}\u{b6c}\u{b6d}\u{b6e}\u{b6f}\
     \u{b5c}\u{b5d}{}\u{b5f}\u{b70}\u{b71}  \\   \
     \x20        [~] ",
);

/// TS 23.038 clause A.2.10.
static PUNJABI: Table = script(
    "\u{964}\u{965} \u{a66}\u{a67}\u{a68}\u{a69}\u{a6a}\u{a6b}\u{a6c}\u{a6d}\u{a6e}\u{a6f}\
     \u{a59}\u{a5a}{}\u{a5b}\u{a5c}\u{a5e}\u{a75} \\   \
     \x20        [~] ",
);

/// TS 23.038 clause A.2.11.
static TAMIL: Table = script(
    "\u{964}\u{965} \u{be6}\u{be7}\u{be8}\u{be9}\u{bea}\u{beb}\u{bec}\u{bed}\u{bee}\u{bef}\
     \u{bf3}\u{bf4}{}\u{bf5}\u{bf6}\u{bf7}\u{bf8}\u{bfa}\\   \
     \x20        [~] ",
);

/// TS 23.038 clause A.2.12.
static TELUGU: Table = script(
    "   \u{c66}\u{c67}\u{c68}\u{c69}\u{c6a}\u{c6b}\u{c6c}\u{c6d}\u{c6e}\u{c6f}\
     \u{c58}\u{c59}{}\u{c78}\u{c79}\u{c7a}\u{c7b}\u{c7c}\\\u{c7d}\u{c7e}\u{c7f}\
     \x20        [~] ",
);

/// TS 23.038 clause A.2.13.
static URDU: Table = script(
    "\u{600}\u{601} \u{6f0}\u{6f1}\u{6f2}\u{6f3}\u{6f4}\u{6f5}\u{6f6}\u{6f7}\u{6f8}\u{6f9}\
     \u{60c}\u{60d}{}\u{60e}\u{60f}\u{610}\u{611}\u{612}\\\u{613}\u{614}\u{61b}\
     \u{61f}\u{640}\u{652}\u{658}\u{66b}\u{66c}\u{672}\u{673}\u{6cd}[~]\u{6d4}",
);

/// The ten tables of the scripts of India and Pakistan share all cells but 19 to 3F.
const fn script(own: &str) -> Table {
    let mut cells = table(
        "@£$¥¿\"¤%&'\u{c}*+ -/<=>¡^¡_#*                                       \
         |ABCDEFGHIJKLMNOPQRSTUVWXYZ          €                          ",
    );
    let own = super::language::cells::<39>(own);
    let mut i = 0;
    while i < own.len() {
        cells[0x19 + i] = own[i];
        i += 1;
    }
    cells
}
