# ngx_http_katalo_module: `make help` lists the targets.

NGINX     ?= /usr/sbin/nginx
NGINX_DEV ?= /usr/share/nginx/src
OBJS      ?= objs
CC        ?= cc
JOBS      ?= $(shell nproc)
TESTS     ?= t/*.t
FAULTS     = t/faults/*.t
# the tests of a target, unless TESTS says otherwise
chosen     = $(if $(filter file,$(origin TESTS)),$(1),$(TESTS))

CC_OPT ?= -g -O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIC
LD_OPT ?= -Wl,-z,relro -Wl,-z,now -fPIC

# a whole nginx, of the distribution's source by default
NGINX_SRC    ?= objs-source/nginx
STATIC_OBJS  ?= objs-static
STATIC_FLAGS ?= --with-debug --with-threads --with-http_ssl_module \
	--with-http_v2_module --with-http_auth_request_module \
	--with-http_realip_module --with-http_secure_link_module \
	--with-http_slice_module \
	--with-http_stub_status_module --with-http_sub_module

# a module for nginx.org's packages, and an nginx as they have it: nginx-debug,
# which loads modules that were built without --with-debug
COMPAT_OBJS    ?= objs-compat
COMPAT_FLAGS    = --with-compat --with-http_ssl_module
NGINX_ORG_OBJS  = objs-nginx-org
NGINX_ORG_FLAGS = --with-debug --with-compat --with-file-aio --with-threads \
	--with-mail --with-mail_ssl_module --with-stream \
	--with-stream_realip_module --with-stream_ssl_module \
	--with-stream_ssl_preread_module \
	$(patsubst %,--with-http_%_module,addition auth_request dav flv gunzip \
		gzip_static mp4 random_index realip secure_link slice ssl \
		stub_status sub v2)

# most of what the ABI could break
COMPAT_TESTS = $(addprefix t/,$(addsuffix .t,attach debug_log kept rotation \
	sessions status unused usage_log))

# each allocation from a pool is one of its own, so that overflows are found
ASAN = -fsanitize=address,undefined -fno-sanitize-recover=all
ASAN_OPT = -g -O1 -fno-omit-frame-pointer -DNGX_DEBUG_PALLOC=1 $(ASAN) \
	-fsanitize-ignorelist=$(CURDIR)/t/sanitize.ignore

# the sanitizer has a crypt_r() of its own, which calls that of the library
ASAN_CRYPT = -Wl,--no-as-needed -lcrypt

VALGRIND_OPT = -g -O1 -DNGX_DEBUG_PALLOC=1

# memcheck runs these: among them is all that allocates, or that reads what a
# client or an upstream sent
VALGRIND_TESTS = $(addprefix t/,$(addsuffix .t,attach clones guard harness \
	leaks prometheus refusal reload_memory revocation rotation status \
	status_page tripwire usage_log))

# coverage of the code under test, not of all of nginx
FUZZ_OPT = -fsanitize=fuzzer-no-link \
	-fsanitize-coverage-allowlist=$(CURDIR)/t/fuzz/coverage.allow
HARNESSES ?= key operation guard json prometheus retry
TIME      ?= 60

BUILD_PACKAGES = nginx nginx-dev make gcc libc6-dev
DEMO_PACKAGES  = $(BUILD_PACKAGES) perl libio-socket-ssl-perl python3 curl \
	ca-certificates
# gdb: gcore, for the secret scan; then backends, whose headers must not be
# taken for a browser's
TEST_PACKAGES  = $(DEMO_PACKAGES) openssl gdb jq logrotate dnsmasq-base \
	wget nodejs \
	python3-requests python3-httpx python3-aiohttp libwww-perl \
	default-jdk-headless golang-go
MONITORING_PACKAGES = $(DEMO_PACKAGES) openssl prometheus
EXAMPLE_PACKAGES = $(MONITORING_PACKAGES) jq procps systemd systemd-container \
	dbus docker-compose python3-kubernetes apparmor golang-go \
	golang-github-hashicorp-hcl-dev
CONTAINER_PACKAGES = $(TEST_PACKAGES) debootstrap podman crun
BROWSER_PACKAGES = $(DEMO_PACKAGES) openssl dnsmasq-base chromium \
	fonts-liberation
COST_PACKAGES  = $(DEMO_PACKAGES) openssl valgrind strace
GROWTH_PACKAGES = $(DEMO_PACKAGES) openssl wrk
BENCH_PACKAGES = $(COST_PACKAGES) wrk haproxy libnginx-mod-http-lua \
	libnginx-mod-http-js
CHECK_PACKAGES = $(BUILD_PACKAGES) clang libclang-rt-14-dev clang-tidy cppcheck
DEB_PACKAGES   = $(BUILD_PACKAGES) build-essential debhelper pandoc reuse \
	xz-utils
DEB_TEST_PACKAGES = $(DEB_PACKAGES) debootstrap git iproute2 lintian faketime
FUZZ_PACKAGES  = $(CHECK_PACKAGES) perl libio-socket-ssl-perl openssl

MODULE  = ngx_http_katalo_module
SO      = $(OBJS)/$(MODULE).so
FILES   = $(wildcard $(MODULE)/*)
SOURCES = $(notdir $(filter %.c %.h,$(FILES)))
HEADERS = $(addprefix $(NGINX_DEV)/src/,core event event/modules os/unix http \
	http/modules http/v2)

submake = +@$(MAKE) -s --no-print-directory

# nginx's configure would take the path for two, and remove the first one
blank = nginx cannot be configured in a path with a blank: move the sources

# configuring nginx; with objects, source directory, command
define configure
	$(if $(word 3,$(CURDIR) $(abspath $(1))),$(error $(blank)))
	@echo "configuring $(1) for the nginx in $(2)"
	rm -rf $(1)
	mkdir -p $(1)
	@echo $(SOURCES) > $(1)/sources
	cd $(2) && $(3) > $(abspath $(1))/configure.log \
		|| { tail $(abspath $(1))/configure.log; exit 1; }
endef

# nginx's Makefile names the sources: another file asks for another Makefile
changed = $(if $(call differ,$(file <$(1)/sources),$(SOURCES)),changed)
differ  = $(filter-out $(1),$(2))$(filter-out $(2),$(1))

# the module, unless the environment names a binary, which has its own or none
module = $(if $(filter undefined,$(origin TEST_NGINX_MODULE)),$(submake) all)

.PHONY: changed all install deb demo run test test-static test-compat \
	test-asan test-valgrind test-monitoring test-examples \
	test-container test-faults test-browser test-matrix test-deb \
	test-cost bench bench-growth fuzz fuzz-conf check warnings headers \
	cppcheck clang-tidy style compat static deps deps-demo deps-check \
	clean help

## build the module against the installed nginx
all: $(SO)

$(NGINX_DEV)/src/core/nginx.h:
	@echo "make: there is no $@: install the package nginx-dev, name" \
		"another place of it by NGINX_DEV=PATH, or build a whole" \
		"nginx of its source by \"make static NGINX_SRC=PATH\"" >&2; \
	exit 1

# a new nginx needs a new build: objects for another version do not load
$(OBJS)/Makefile: config config.make $(NGINX_DEV)/src/core/nginx.h \
		$(call changed,$(OBJS))
	$(call configure,$(OBJS),$(NGINX_DEV),bash -c '. ./conf_flags && \
		./configure "$${NGX_CONF_FLAGS[@]}" --with-cc=$(CC) \
		--with-cc-opt="$(CC_OPT)" --with-ld-opt="$(LD_OPT)" \
		--add-dynamic-module="$(CURDIR)" \
		--builddir="$(abspath $(OBJS))"')

$(SO): $(OBJS)/Makefile $(FILES)
	@echo "building $(SO)"
	$(MAKE) -j$(JOBS) -C $(NGINX_DEV) -f $(abspath $(OBJS))/Makefile modules

objs-source/nginx/configure:
	@echo "fetching nginx's source"
	@t/nginx-source objs-source/nginx

$(COMPAT_OBJS)/Makefile: config config.make $(NGINX_SRC)/configure \
		$(call changed,$(COMPAT_OBJS))
	$(call configure,$(COMPAT_OBJS),$(NGINX_SRC),./configure \
		--with-cc=$(CC) --with-cc-opt="$(CC_OPT)" \
		--with-ld-opt="$(LD_OPT)" $(COMPAT_FLAGS) \
		--add-dynamic-module="$(CURDIR)" \
		--builddir="$(abspath $(COMPAT_OBJS))")

# HTTP/3 came later than the other ones
$(NGINX_ORG_OBJS)/Makefile: $(NGINX_SRC)/configure
	$(call configure,$(NGINX_ORG_OBJS),$(NGINX_SRC),./configure \
		--with-cc=$(CC) --with-cc-opt="$(CC_OPT)" \
		--with-ld-opt="$(LD_OPT)" $(NGINX_ORG_FLAGS) \
		$$(grep -o -m 1 -e --with-http_v3_module auto/options) \
		--builddir="$(abspath $(NGINX_ORG_OBJS))")

$(STATIC_OBJS)/Makefile: config config.make $(NGINX_SRC)/configure \
		$(call changed,$(STATIC_OBJS))
	$(call configure,$(STATIC_OBJS),$(NGINX_SRC),./configure \
		--with-cc=$(CC) --with-cc-opt="$(CC_OPT)" \
		--with-ld-opt="$(LD_OPT)" $(STATIC_FLAGS) \
		--add-module="$(CURDIR)" --builddir="$(abspath $(STATIC_OBJS))")

## put it into nginx's modules directory
install: all
	@modules=$$($(NGINX) -V 2>&1 | tr ' ' '\n' \
			| sed -n "s/^'*--modules-path=//p" | tr -d "'") && \
	if [ -z "$$modules" ]; then \
		echo "make install: $(NGINX) -V names no --modules-path:" \
			"install nginx, or choose it by NGINX=PATH; or copy" \
			"$(SO) yourself, and load it by its path" >&2; \
		exit 1; \
	fi && \
	install -D -m 644 $(SO) "$(DESTDIR)$$modules/$(MODULE).so" && \
	echo "installed; load it at the top of nginx.conf:" && \
	echo "  load_module $$modules/$(MODULE).so;"

## the package for this release of Debian, in dist/
deb:
	@t/packages $(DEB_PACKAGES)
	debian/build objs-deb
	rm -rf dist
	mkdir dist
	cp objs-deb/*.deb dist

## see it work: install what is missing, build, run
demo: deps-demo
	$(submake) all
	@t/demo

## the demo's gateway, until Ctrl-C
run: deps-demo
	$(submake) all
	@t/demo --stay

## install what is missing, build, run the tests
## (TESTS=t/harness.t chooses, JOBS=1 one at a time)
test: deps
	$(module)
	@prove -j$(JOBS) $(TESTS) < /dev/null

## the same with a whole nginx, of Debian's source
test-static: deps
	$(submake) static
	@t/under static $(STATIC_OBJS)/nginx -j$(JOBS) $(TESTS)

## with a module and an nginx that were built apart, as nginx.org's
## packages need it (TESTS="t/*.t" for all tests)
test-compat: deps
	$(submake) compat
	@echo "building $(NGINX_ORG_OBJS)/nginx"
	$(submake) $(NGINX_ORG_OBJS)/Makefile
	+@$(MAKE) -s -j$(JOBS) -C $(NGINX_SRC) \
		-f $(abspath $(NGINX_ORG_OBJS))/Makefile
	@t/under compat $(NGINX_ORG_OBJS)/nginx $(COMPAT_OBJS)/$(MODULE).so \
		-j$(JOBS) $(call chosen,$(COMPAT_TESTS))

## and with sanitizers
test-asan: deps deps-check
	$(submake) static CC=clang STATIC_OBJS=objs-asan \
		CC_OPT="$(ASAN_OPT)" LD_OPT="$(ASAN) $(ASAN_CRYPT)"
	@t/under asan objs-asan/nginx -j$(JOBS) \
		$(call chosen,$(TESTS) $(FAULTS))

## some of them, and memcheck runs nginx
test-valgrind: deps
	@t/packages valgrind libc6-dbg
	$(submake) static STATIC_OBJS=objs-valgrind CC_OPT="$(VALGRIND_OPT)" \
		LD_OPT=
	@t/under valgrind objs-valgrind/nginx -j$(JOBS) \
		$(call chosen,$(VALGRIND_TESTS))

## the metrics, rules and dashboard, with Prometheus
test-monitoring:
	@t/packages $(MONITORING_PACKAGES)
	$(module)
	@prove -j$(JOBS) $(call chosen,t/monitoring) < /dev/null

## docs/examples, with the programs that read them
test-examples:
	@t/packages $(EXAMPLE_PACKAGES)
	$(module)
	@prove -j$(JOBS) $(call chosen,t/examples) < /dev/null

## images are built and run (root only, in about 5 minutes)
test-container:
	@t/packages $(CONTAINER_PACKAGES)
	@prove $(call chosen,t/container) < /dev/null

## killed workers, reloads and the like, under load
test-faults: deps
	$(module)
	@prove -j$(JOBS) $(call chosen,$(FAULTS)) < /dev/null

## the wall and the status page, with Chromium
test-browser:
	@t/packages $(BROWSER_PACKAGES)
	$(module)
	@prove $(call chosen,t/browser) < /dev/null

## the tests with the nginx of other Debian releases
## (SUITES=trixie chooses, SUITES=mainline the newest; root only)
test-matrix: source = $(if $(filter file,$(origin NGINX_SRC)),,$(NGINX_SRC))
test-matrix:
	@t/packages debootstrap git
	@NGINX_SRC="$(source)" TESTS="$(call chosen,$(TESTS) $(FAULTS))" \
		t/matrix $(SUITES)

## the package: built twice, installed, upgraded, removed
## (SUITES=bookworm chooses; root only)
test-deb:
	@t/packages $(DEB_TEST_PACKAGES)
	@BUILD_PACKAGES="$(DEB_PACKAGES) faketime" t/deb $(SUITES)

## what a request costs, in bounds
test-cost:
	@t/packages $(COST_PACKAGES)
	$(module)
	@prove $(call chosen,t/bench) < /dev/null

## what a request costs, beside other ways to do it
bench:
	@t/packages $(BENCH_PACKAGES)
	$(submake) all
	@t/bench/table

## what many keys and many workers cost, in about 3 minutes
bench-growth:
	@t/packages $(GROWTH_PACKAGES)
	$(submake) all
	@t/growth/measure

## inputs made up by libFuzzer, TIME=60 seconds each
## (HARNESSES=key chooses)
fuzz: deps-check
	$(submake) static CC=clang STATIC_OBJS=objs-fuzz \
		CC_OPT="$(ASAN_OPT) $(FUZZ_OPT)" LD_OPT="$(ASAN)"
	@CFLAGS="$(ASAN_OPT) $(FUZZ_OPT)" \
		t/fuzz/build objs-fuzz $(NGINX_SRC) $(HARNESSES)
	@printf '%s\n' $(HARNESSES) \
		| xargs -n 1 -P $(JOBS) t/fuzz/run objs-fuzz $(TIME)

## gateways made up, TIME=300 seconds, with and without keys
## (SEED=N again those of a seed)
fuzz-conf:
	@t/packages $(FUZZ_PACKAGES)
	$(submake) static CC=clang STATIC_OBJS=objs-fuzz-conf \
		CC_OPT="$(ASAN_OPT)" LD_OPT="$(ASAN)"
	@t/fuzz-conf/run objs-fuzz-conf/nginx --jobs=$(JOBS) \
		--time=$(if $(filter file,$(origin TIME)),300,$(TIME)) \
		--found=objs-fuzz-conf/found $(addprefix --seed=,$(SEED))

## style, warnings as errors, static analysis
check: style
	@$(MAKE) --no-print-directory deps-check
	@$(MAKE) --no-print-directory warnings CC=gcc OBJS=objs-gcc \
		ANALYZER=-fanalyzer
	@$(MAKE) --no-print-directory warnings CC=clang OBJS=objs-clang
	@$(MAKE) --no-print-directory headers cppcheck clang-tidy \
		OBJS=objs-gcc
	@echo "check: no complaints"

warnings:
	$(submake) all CC_OPT="-O2 -fPIC -Wall -Wextra -Wno-unused-parameter \
		-Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes \
		-Werror $(ANALYZER)"

# each header needs no other one before it
headers:
	@for header in $(wildcard $(MODULE)/*.h); do \
		$(CC) -fsyntax-only -Wall -Werror $(addprefix -I ,$(HEADERS)) \
			-I $(OBJS) -x c $$header || exit 1; \
	done

cppcheck:
	cppcheck --quiet -j $(JOBS) --std=c99 --error-exitcode=1 \
		--inline-suppr --enable=warning,performance,portability \
		--suppress='*:$(NGINX_DEV)/*' --suppress=missingInclude \
		--suppress=toomanyconfigs \
		$(addprefix -I ,$(HEADERS)) -I $(OBJS) $(MODULE)

# .clang-tidy names the checks; nginx's headers are left out
clang-tidy:
	@echo "running clang-tidy"
	@printf '%s\n' $(wildcard $(MODULE)/*.c) | xargs -n 8 -P $(JOBS) sh -c \
		'found=$$(clang-tidy --quiet "$$@" -- -std=gnu99 -I $(OBJS) \
			$(addprefix -isystem ,$(HEADERS)) 2>&1) \
			|| { echo "$$found"; exit 1; }' clang-tidy

style:
	@t/style

## a whole nginx with it (NGINX_SRC=<source tree>)
static: $(STATIC_OBJS)/Makefile
	@echo "building $(STATIC_OBJS)/nginx"
	$(MAKE) -j$(JOBS) -C $(NGINX_SRC) \
		-f $(abspath $(STATIC_OBJS))/Makefile

## the module for an nginx of nginx.org (NGINX_SRC=<its source tree>)
compat: $(COMPAT_OBJS)/Makefile
	@echo "building $(COMPAT_OBJS)/$(MODULE).so"
	$(MAKE) -j$(JOBS) -C $(NGINX_SRC) \
		-f $(abspath $(COMPAT_OBJS))/Makefile modules

## install what build, demo and tests need
deps:
	@t/packages $(TEST_PACKAGES)

deps-demo:
	@t/packages $(DEMO_PACKAGES)

deps-check:
	@t/packages $(CHECK_PACKAGES)

## remove what was built
clean:
	rm -rf objs objs-gcc objs-clang objs-asan objs-valgrind objs-fuzz \
		objs-fuzz-conf objs-source objs-deb dist $(STATIC_OBJS) \
		$(COMPAT_OBJS) $(NGINX_ORG_OBJS)
	find t -name __pycache__ -prune -exec rm -rf {} +

help:
	@awk '/^## /   { text = text sprintf("\n%23s", "") substr($$0, 4) } \
	    /^[a-z-]+:/ && text { \
	        sub(/:.*/, ""); sub(/^all$$/, ""); \
	        printf "%-22s %s\n", "make " $$0, substr(text, 25); \
	        text = "" }' Makefile
