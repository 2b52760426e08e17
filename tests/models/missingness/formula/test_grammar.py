"""From text to terms."""

import pytest

from absentia.models.missingness.formula import parse

READ = {
    "income ~ income + age": (("income",), [("income", None), ("age", None)], True),
    "income + bmi ~ age": (("income", "bmi"), [("age", None)], True),
    "age": ((), [("age", None)], True),
    "0 + latent": ((), [("latent", None)], False),
    "-1 + age": ((), [("age", None)], False),
    "1": ((), [], True),
    "y ~ +income": (("y",), [("income", "+")], True),
    "y ~ -income": (("y",), [("income", "-")], True),
    "y ~ age + -income": (("y",), [("age", None), ("income", "-")], True),
    "y ~ +income + +age": (("y",), [("income", "+"), ("age", "+")], True),
    "y ~ -I(-x**2)": (("y",), [("I(-x ** 2)", "-")], True),
    "y ~ a*b": (("y",), [("a", None), ("b", None), ("a:b", None)], True),
    "y ~ a*b - a": (("y",), [("b", None), ("a:b", None)], True),
    "y ~ +a:b": (("y",), [("a:b", "+")], True),
    "`body mass` ~ +`body mass`": (("body mass",), [("body mass", "+")], True),
    "y ~ bs(age, df=4):C(sex)": (("y",), [("bs(age, df=4):C(sex)", None)], True),
    "y ~ age + -log(income)": (("y",), [("age", None), ("log(income)", "-")], True),
    "y ~ a:(+b)": (("y",), [("a:b", "+")], True),
    "y ~ a - 1 + -b": (("y",), [("a", None), ("b", "-")], False),
    "y ~ -income + age": (("y",), [("income", "-"), ("age", None)], True),
    "y ~ a + b + a:b -b": (("y",), [("a", None), ("a:b", None)], True),
    "y ~ (a + b)^2": (("y",), [("a", None), ("a:b", None), ("b", None)], True),
    "y ~ _quoted_0_ + `a b`": (("y",), [("_quoted_0_", None), ("a b", None)], True),
    "y ~ `_direction_up_0_`": (("y",), [("_direction_up_0_", None)], True),
    "y ~ log(quoted_0_ + `a b`)": (("y",), [("log(quoted_0_ + `a b`)", None)], True),
    "y ~ `1e5`": (("y",), [("1e5", None)], True),
    "y ~ log((x) + -z) + -z": (("y",), [("log(x + -z)", None), ("z", "-")], True),
    "y ~ {x + -z}": (("y",), [("x + -z", None)], True),
    "y ~ -{x}": (("y",), [("x", "-")], True),
    "y ~ +body.mass": (("y",), [("body.mass", "+")], True),
    "y ~ +âge": (("y",), [("âge", "+")], True),
    "y ~ +tanh(`a`)": (("y",), [("tanh(a)", "+")], True),
    "y ~ +log(`a)b`)": (("y",), [("log(`a)b`)", "+")], True),
    "class ~ log(class)": (("class",), [("log(`class`)", None)], True),
    "`a ~ b` ~ `a ~ b`": (("a ~ b",), [("a ~ b", None)], True),
    "y ~ is_missing(`a b`)": (("y",), [("is_missing(`a b`)", None)], True),
}


@pytest.mark.parametrize("text", READ)
def test_what_is_read(text):
    formula = parse(text)
    response, terms, intercept = READ[text]
    assert formula.response == response
    assert [(term.name, term.sign) for term in formula.terms] == terms
    assert formula.intercept == intercept
    assert formula.text == text


BAD = {
    "": "neither of the form 'column ~ terms'",
    "y ~ ": "neither of the form 'column ~ terms'",
    " ~ x": "neither of the form 'column ~ terms'",
    "y ~ a ~ b": "neither of the form 'column ~ terms'",
    "a +* b": "cannot be read",
    "f(": "cannot be read",
    "y ~ a | b": "several parts",
    "y ~ +(a + b)": "a direction before a bracket",
    "y ~ +a:+b": "two directions",
    "y ~ +a*b": "one direction to 'a' and 'a:b'",
    "y ~ (+a + b)**2": "one direction to 'a' and 'a:b'",
    "y ~ +a + a": "has the term 'a' twice",
    "y ~ --a": "removes a term that has a direction",
    "y ~ b - +a": "removes a term that has a direction",
    "y ~ age - income": r"removes 'income', .* 'age \+ -income'",
    "y ~ a -b": "removes 'b'",
    "y ~ +income + age - income": "removes 'income'",
    "y ~ a - b + b": "removes 'b'",
    "y ~ (0 + a) + b": "within brackets",
    "y ~ (a - 1) + b": "removes an intercept",
    "y ~ age^2": r"'age\^2', .*write I\(age\*\*2\)",
    "y ~ age**2": r"write I\(age\*\*2\) for the power",
    "y ~ `body mass`^2": r"write I\(`body mass`\*\*2\) for the power",
    "y ~ a / b": r"write I\(a / b\) for the ratio, or a \+ a:b",
    "y ~ a %in% b": "a '%'",
    "y ~ ---a": "more than two signs in a row",
    "y ~ 2*age": "the number 2 as a term or factor; .* I.2 . x.",
    "y ~ 1e5": "the number 1e5 as a term",
    "y ~ `a``b`": "none within it",
    "y ~ `a`b": "none within it",
    "y ~ `a": "a backtick is not closed",
    "y ~ .": "names of the columns",
    "y ~ I(a +)": "cannot be read: invalid syntax",
    "y ~ log(a b)": "cannot be read: invalid syntax",
    "1 ~ a": "columns on its left",
    "-y ~ a": "columns on its left",
    "y - y ~ a": "columns on its left",
    "log(y) ~ a": "columns on its left",
    "a:b ~ a": "columns on its left",
}


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_be_read(text):
    with pytest.raises(ValueError, match=BAD[text]) as error:
        parse(text)
    assert "\n" not in str(error.value)
    assert text in str(error.value)


def test_errors_are_one_line_and_show_what_was_written():
    with pytest.raises(ValueError, match="cannot be read") as error:
        parse("y ~\n +`a b` +* c")
    assert str(error.value).startswith("formula 'y ~ +`a b` +* c' ")
    assert "_quoted_" not in str(error.value)
    assert "_direction_" not in str(error.value)


def test_columns_with_the_names_of_words_are_told_apart_by_backticks():
    terms = parse("y ~ `latent` + latent + µg").terms
    assert [term.factors for term in terms] == [("`latent`",), ("latent",), ("`µg`",)]


def test_formulas_are_text():
    with pytest.raises(ValueError, match="a formula is text"):
        parse(3)
