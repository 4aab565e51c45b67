# Foyer. `make` builds build/foyer; `make demo` shows it; `make test` proves it. The work is done by CMake and scripts/.
prefix ?= /usr/local
FUZZ_SECONDS ?= 60
.DEFAULT_GOAL := all
.PHONY: all setup build web demo test torture tsan tidy format fuzz bench install clean

all: setup build
	@echo "built build/foyer ($$(build/foyer version), $$(du -h build/foyer | cut -f1)); try: build/foyer serve"

setup:
	@scripts/setup.sh

web:
	@scripts/build_web.sh

build: web
	@[ -f build/build.ninja ] || cmake --preset release >/dev/null
	@cmake --build build

demo: all
	@scripts/demo.sh

test:
	@scripts/test.sh

torture:
	@scripts/torture.sh

tidy:
	@scripts/tidy.sh

format:
	@find src tests bench -name node_modules -prune -o -name '*.[ch]' -print | xargs clang-format -i

fuzz:
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh

tsan:
	@scripts/tsan.sh

bench: all
	@scripts/bench.sh

install: all
	install -D -m 755 build/foyer $(DESTDIR)$(prefix)/bin/foyer
	install -d $(DESTDIR)$(prefix)/lib/systemd/system $(DESTDIR)$(prefix)/share/doc/foyer
	for unit in foyer.service foyer-audit.service foyer-audit.timer; do \
	    sed 's|@prefix@|$(prefix)|g' packaging/$$unit >$(DESTDIR)$(prefix)/lib/systemd/system/$$unit; done
	install -d $(DESTDIR)$(prefix)/share/foyer
	install -m 644 packaging/prometheus/foyer.rules.yml packaging/grafana/foyer.json $(DESTDIR)$(prefix)/share/foyer/
	cp -R README.md ARCHITECTURE.md docs $(DESTDIR)$(prefix)/share/doc/foyer/

clean:
	rm -rf build build-asan build-tsan build-fuzz web/dist web/.cache
