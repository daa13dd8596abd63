# make demo    see it work: the quick tour, pictures under outputs/
# make test    the fast tests
# make check   lint, types, structure
# make bench   the speed table, beside other libraries
# make clean   remove everything made here
#
# The first run makes .venv and installs what the target needs into it; after that it starts at once.

# The interpreter that makes the environments: the first that is Python 3.11 or newer and can make them.
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python,\
	$(shell $(p) -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
python := .venv/bin/python

# Peers live in their own environment: one of them also owns the import name `autograd`.
peers := torch==2.13.0 jax autograd mygrad micrograd tinygrad
peers_python := $(CURDIR)/.venv-peers/bin/python

.DELETE_ON_ERROR:
.PHONY: demo test browser graphviz bench check clean

demo: .venv/installed-demos
	$(python) -m demos

test: .venv/installed-test browser graphviz
	$(python) -m pytest -m "not slow" --numprocesses auto

# Pages are tested in a real browser, and PDFs as the system's Graphviz writes them. On Debian both are installed if that
# can be done; else the tests say what is missing. $(call program,names on the PATH,package)
define program
	@for name in $(1); do \
		! command -v $$name > /dev/null || exit 0; \
	done; \
	if [ "$$(id -u)" = 0 ] && grep -qs '^ID=debian' /etc/os-release; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $(2) fonts-liberation > /dev/null \
			|| echo "$(2) could not be installed"; \
	fi
endef

browser:
	$(call program,chromium chromium-browser google-chrome google-chrome-stable chrome,chromium)

graphviz:
	$(call program,dot,graphviz)

bench: .venv/installed-test .venv-peers/installed
	PEERS_PYTHON=$(peers_python) $(python) -m tests.benchmarks

check: .venv/installed-dev
	$(python) -m ruff check .
	$(python) -m ruff format --check --quiet .
	$(python) -m mypy
	$(python) -m pytest tests/test_structure.py

# One stamp per extra of setup.cfg; a changed setup.cfg installs again.
.venv/installed-%: setup.cfg | .venv/bin/python
	$(python) -m pip install --quiet --editable ".[$*]"
	@touch $@

.venv-peers/installed: Makefile | .venv-peers/bin/python
	$(peers_python) -m pip install --quiet $(peers)
	@touch $@

.venv/bin/python .venv-peers/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with the venv module is needed (Debian, Ubuntu: apt install python3-venv)."; exit 1; }
	$(PYTHON) -m venv $(@D:/bin=)

clean:
	rm -rf .venv .venv-peers build dist *.egg-info outputs .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find autograd nn demos tests -name __pycache__ -type d -prune -exec rm -rf {} +
