//! PostgreSQL's dialect with ksqlDB's types, struct access and quotes.

use std::any::TypeId;

use sqlparser::ast;
use sqlparser::dialect::Dialect;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::dialect::Precedence;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::Token;

/// How tightly `a->b` binds: as a cast does, so that `a->b = 1` and `a->b::text` mean what ksqlDB means.
const STRUCT_ACCESS_PRECEDENCE: u8 = 140;

const POSTGRES: PostgreSqlDialect = PostgreSqlDialect {};

/// The name of the call that stands for `->*`.
pub const ALL_FIELDS: &str = "__all_fields";

/// The dialect of every text that reaches the server.
#[derive(Debug, Default, Clone, Copy)]
pub struct TidemillDialect;

/// What binds closer than IS, NOT NULL, AND and OR stands above it.
pub(super) fn precedence_of_is() -> u8 {
    POSTGRES.prec_value(Precedence::Is)
}

impl Dialect for TidemillDialect {
    // Checks of sqlparser for one dialect see PostgreSQL.
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn identifier_quote_style(&self, _: &str) -> Option<char> {
        Some('"')
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        character == '"' || character == '`'
    }

    fn is_identifier_start(&self, character: char) -> bool {
        POSTGRES.is_identifier_start(character)
    }

    fn is_identifier_part(&self, character: char) -> bool {
        POSTGRES.is_identifier_part(character)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        POSTGRES.is_reserved_for_identifier(keyword)
    }

    // A backtick quotes a name here. In PostgreSQL no operator that we know goes on with a sign or with the start of a comment:
    // `a>-1`, `a<>/* why */1`.
    fn is_custom_operator_part(&self, character: char) -> bool {
        !matches!(character, '`' | '+' | '-' | '*' | '/') && POSTGRES.is_custom_operator_part(character)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        match parser.peek_token_ref().token {
            Token::Arrow => Some(Ok(STRUCT_ACCESS_PRECEDENCE)),
            ref token if is_word(token, "ISNULL") => Some(Ok(POSTGRES.prec_value(Precedence::Is))),
            _ => POSTGRES.get_next_precedence(parser),
        }
    }

    // `->*` of a STRUCT; BETWEEN SYMMETRIC; what IS DISTINCT FROM compares with ends before AND; PostgreSQL's other spelling of IS NULL.
    fn parse_infix(&self, parser: &mut Parser, expr: &ast::Expr, _: u8) -> Option<Result<ast::Expr, ParserError>> {
        use Keyword::DISTINCT;
        use Keyword::FROM;
        use Keyword::IS;
        if let [Token::Arrow, Token::Mul] = parser.peek_tokens() {
            parser.advance_token();
            parser.advance_token();
            return Some(Ok(all_fields(expr.clone())));
        }
        if let Some(negated) = between_symmetric(parser) {
            return Some(in_either_order(parser, expr, negated));
        }
        let differs = parser.parse_keywords(&[IS, DISTINCT, FROM]);
        if differs || parser.parse_keywords(&[IS, Keyword::NOT, DISTINCT, FROM]) {
            let other = parser.parse_subexpr(POSTGRES.prec_value(Precedence::Is));
            let (one, other) = (Box::new(expr.clone()), other.map(Box::new));
            return Some(other.map(|other| match differs {
                true => ast::Expr::IsDistinctFrom(one, other),
                false => ast::Expr::IsNotDistinctFrom(one, other),
            }));
        }
        if !is_word(&parser.peek_token_ref().token, "ISNULL") {
            return None;
        }
        parser.advance_token();
        Some(Ok(ast::Expr::IsNull(Box::new(expr.clone()))))
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        POSTGRES.prec_value(precedence)
    }

    // Reserved: it begins a clause of INSERT.
    fn is_select_item_alias(&self, explicit: bool, keyword: &Keyword, parser: &mut Parser) -> bool {
        explicit || (self.is_column_alias(keyword, parser) && *keyword != Keyword::ON)
    }

    // Not reserved, but what stands before a table alias can be one of our clauses.
    fn is_table_factor_alias(&self, explicit: bool, keyword: &Keyword, parser: &mut Parser) -> bool {
        explicit || (self.is_table_alias(keyword, parser) && !is_clause(&parser.get_current_token().token))
    }

    fn supports_table_hints(&self) -> bool {
        true
    }

    fn supports_struct_literal(&self) -> bool {
        true
    }

    fn supports_map_literal_with_angle_brackets(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_assignment_operator(&self) -> bool {
        true
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn allow_extract_single_quotes(&self) -> bool {
        true
    }

    fn supports_factorial_operator(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_colon_operator(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        true
    }

    fn supports_empty_projections(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_string_escape_constant(&self) -> bool {
        true
    }

    // ksqlDB's names may begin with a digit; PostgreSQL has no use for a number that runs into a word.
    fn supports_numeric_prefix(&self) -> bool {
        true
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        true
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        true
    }

    fn supports_geometric_types(&self) -> bool {
        true
    }

    fn supports_notnull_operator(&self) -> bool {
        true
    }

    fn supports_interval_options(&self) -> bool {
        true
    }

    fn supports_select_wildcard_with_alias(&self) -> bool {
        true
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }
}

/// `s->*` as a call: a select item that stands for several.
fn all_fields(structure: ast::Expr) -> ast::Expr {
    let argument = ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(structure));
    let list = ast::FunctionArgumentList { duplicate_treatment: None, args: vec![argument], clauses: Vec::new() };
    ast::Expr::Function(ast::Function {
        name: ast::ObjectName::from(vec![ast::Ident::new(ALL_FIELDS)]),
        uses_odbc_syntax: false,
        parameters: ast::FunctionArguments::None,
        args: ast::FunctionArguments::List(list),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// Takes `BETWEEN SYMMETRIC`, and tells whether NOT stood before it.
fn between_symmetric(parser: &mut Parser) -> Option<bool> {
    let [first, second, third] = parser.peek_tokens();
    let negated = is_word(&first, "NOT");
    let words = if negated { [second, third] } else { [first, second] };
    if !is_word(&words[0], "BETWEEN") || !is_word(&words[1], "SYMMETRIC") {
        return None;
    }
    for _ in 0..(if negated { 3 } else { 2 }) {
        parser.advance_token();
    }
    Some(negated)
}

/// Between two values, whichever of them is the lower.
fn in_either_order(parser: &mut Parser, expr: &ast::Expr, negated: bool) -> Result<ast::Expr, ParserError> {
    let precedence = POSTGRES.prec_value(Precedence::Between);
    let one = parser.parse_subexpr(precedence)?;
    parser.expect_keyword_is(Keyword::AND)?;
    let other = parser.parse_subexpr(precedence)?;
    let between = |low: &ast::Expr, high: &ast::Expr| {
        let (expr, low, high) = (Box::new(expr.clone()), Box::new(low.clone()), Box::new(high.clone()));
        Box::new(ast::Expr::Between { expr, negated, low, high })
    };
    let (left, right) = (between(&one, &other), between(&other, &one));
    let op = if negated { ast::BinaryOperator::And } else { ast::BinaryOperator::Or };
    Ok(ast::Expr::Nested(Box::new(ast::Expr::BinaryOp { left, op, right })))
}

fn is_clause(token: &Token) -> bool {
    is_word(token, "EMIT") || is_word(token, "WITHIN")
}

fn is_word(token: &Token, expected: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}
