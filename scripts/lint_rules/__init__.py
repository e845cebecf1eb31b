# SPDX-License-Identifier: MIT
"""The rules that scripts/lint runs: a module for each idea, a function for each rule.

A rule takes a Tree (tree.py) and yields one line "where: what" for each violation; none means that
the rule holds. Exceptions stand in a table at the top of the rule's module, each with its reason;
an exception that excuses nothing is itself a violation. test/e2e/lint_rules.py plants a fault for
each rule in a small tree and checks that the rule finds it.
"""
