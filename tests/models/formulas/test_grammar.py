"""From text to terms."""

import pytest

from absentia.models.formulas import parse

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
    "": "is not 'column ~ terms'",
    "y ~ ": "is not 'column ~ terms'",
    " ~ x": "is not 'column ~ terms'",
    "y ~ a ~ b": "is not 'column ~ terms'",
    "a +* b": "cannot be read",
    "f(": "cannot be read",
    "y ~ a | b": "several parts",
    "y ~ +(a + b)": "a direction before a bracket",
    "y ~ +a:+b": "two directions",
    "log(y) ~ a": "names of columns on its left",
    "a:b ~ a": "names of columns on its left",
}


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_be_read(text):
    with pytest.raises(ValueError, match=BAD[text]) as error:
        parse(text)
    assert "\n" not in str(error.value)
    assert text in str(error.value)


def test_formulas_are_text():
    with pytest.raises(ValueError, match="a formula is text"):
        parse(3)
