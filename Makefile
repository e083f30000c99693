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

# a whole nginx: of the distribution's source, unless another is named
NGINX_SRC    ?= objs-source/nginx
STATIC_OBJS  ?= objs-static
STATIC_FLAGS ?= --with-debug --with-threads --with-http_ssl_module \
	--with-http_v2_module --with-http_auth_request_module \
	--with-http_realip_module --with-http_slice_module \
	--with-http_stub_status_module --with-http_sub_module

# every allocation from a pool is one of its own: an overflow is noticed
ASAN = -fsanitize=address,undefined -fno-sanitize-recover=all
ASAN_OPT = -g -O1 -fno-omit-frame-pointer -DNGX_DEBUG_PALLOC=1 $(ASAN) \
	-fsanitize-ignorelist=$(CURDIR)/t/sanitize.ignore

VALGRIND_OPT = -g -O1 -DNGX_DEBUG_PALLOC=1

# what memcheck runs: whatever allocates, or reads what a client or an upstream
# sent, is in one of them
VALGRIND_TESTS = $(addprefix t/,$(addsuffix .t,attach clones guard harness \
	leaks prometheus refusal reload_memory revocation rotation status \
	status_page tripwire usage_log))

# coverage of what is fuzzed only, and not of all of nginx
FUZZ_OPT = -fsanitize=fuzzer-no-link \
	-fsanitize-coverage-allowlist=$(CURDIR)/t/fuzz/coverage.allow
HARNESSES ?= key operation guard accept json prometheus
TIME      ?= 60

BUILD_PACKAGES = nginx nginx-dev make gcc libc6-dev
DEMO_PACKAGES  = perl libio-socket-ssl-perl python3 curl ca-certificates
# gcore, for the dumps that the secret scan looks through
TEST_PACKAGES  = openssl gdb $(CLIENT_PACKAGES)
# backends, whose own headers must never be taken for a browser's
CLIENT_PACKAGES = wget nodejs python3-requests python3-httpx python3-aiohttp \
	libwww-perl default-jdk-headless golang-go
MONITORING_PACKAGES = prometheus
BROWSER_PACKAGES = openssl chromium fonts-liberation
COST_PACKAGES = openssl valgrind strace
BENCH_PACKAGES = $(COST_PACKAGES) wrk haproxy libnginx-mod-http-lua \
	libnginx-mod-http-js
CHECK_PACKAGES = clang libclang-rt-14-dev clang-tidy cppcheck
VALGRIND_PACKAGES = valgrind libc6-dbg
MATRIX_PACKAGES = debootstrap git

MODULE  = ngx_http_katalo_module
SO      = $(OBJS)/$(MODULE).so
SOURCES = $(wildcard $(MODULE)/*)
HEADERS = $(addprefix $(NGINX_DEV)/src/,core event event/modules os/unix http \
	http/modules http/v2)
BUILT   = $(abspath $(OBJS))

.PHONY: all deps deps-demo deps-check install static demo run test check test-static \
	test-asan test-valgrind test-matrix test-monitoring test-faults \
	test-browser test-cost bench bench-growth fuzz warnings cppcheck \
	clang-tidy style clean help

all: $(SO)

# a new nginx needs a new build: objects for another version do not load
$(OBJS)/Makefile: config config.make $(NGINX_DEV)/src/core/nginx.h
	@echo "configuring for the nginx in $(NGINX_DEV)"
	rm -rf $(OBJS)
	mkdir -p $(OBJS)
	cd $(NGINX_DEV) && bash -c '. ./conf_flags && \
		./configure "$${NGX_CONF_FLAGS[@]}" --with-cc=$(CC) \
		--with-cc-opt="$(CC_OPT)" --with-ld-opt="$(LD_OPT)" \
		--add-dynamic-module="$(CURDIR)" --builddir="$(BUILT)"' \
		> $(BUILT)/configure.log || { tail $(BUILT)/configure.log; exit 1; }

$(SO): $(OBJS)/Makefile $(SOURCES)
	@echo "building $(SO)"
	$(MAKE) -j$(JOBS) -C $(NGINX_DEV) -f $(BUILT)/Makefile modules

objs-source/nginx/configure:
	@echo "fetching nginx's source"
	@t/nginx-source objs-source/nginx

$(STATIC_OBJS)/Makefile: config config.make $(NGINX_SRC)/configure
	@echo "configuring $(STATIC_OBJS)/nginx"
	rm -rf $(STATIC_OBJS)
	mkdir -p $(STATIC_OBJS)
	cd $(NGINX_SRC) && ./configure --with-cc=$(CC) --with-cc-opt="$(CC_OPT)" \
		--with-ld-opt="$(LD_OPT)" $(STATIC_FLAGS) \
		--add-module="$(CURDIR)" --builddir="$(abspath $(STATIC_OBJS))" \
		> $(abspath $(STATIC_OBJS))/configure.log \
		|| { tail $(abspath $(STATIC_OBJS))/configure.log; exit 1; }

static: $(STATIC_OBJS)/Makefile
	@echo "building $(STATIC_OBJS)/nginx"
	$(MAKE) -j$(JOBS) -C $(NGINX_SRC) -f $(abspath $(STATIC_OBJS))/Makefile

install: all
	@modules=$$($(NGINX) -V 2>&1 | tr ' ' '\n' \
			| sed -n 's/^--modules-path=//p') && \
	install -D -m 644 $(SO) "$(DESTDIR)$$modules/$(MODULE).so" && \
	echo "installed; load it at the top of nginx.conf:" && \
	echo "  load_module $$modules/$(MODULE).so;"

deps:
	@t/packages $(BUILD_PACKAGES) $(DEMO_PACKAGES) $(TEST_PACKAGES)

deps-demo:
	@t/packages $(BUILD_PACKAGES) $(DEMO_PACKAGES)

deps-check:
	@t/packages $(BUILD_PACKAGES) $(CHECK_PACKAGES)

demo: deps-demo
	@$(MAKE) -s --no-print-directory all
	@t/demo

run: deps-demo
	@$(MAKE) -s --no-print-directory all
	@t/demo --stay

# a binary given by the environment brings its own module, or needs none
test: deps
	$(if $(filter undefined,$(origin TEST_NGINX_MODULE)),\
		@$(MAKE) -s --no-print-directory all)
	@prove -j$(JOBS) $(TESTS) < /dev/null

# a whole nginx, plain and with sanitizers: t/under says what is skipped there
test-static: deps
	@$(MAKE) -s --no-print-directory static
	@t/under static $(STATIC_OBJS)/nginx -j$(JOBS) $(TESTS)

test-asan: deps deps-check
	@$(MAKE) -s --no-print-directory static CC=clang STATIC_OBJS=objs-asan \
		CC_OPT="$(ASAN_OPT)" LD_OPT="$(ASAN)"
	@t/under asan objs-asan/nginx -j$(JOBS) $(call chosen,$(TESTS) $(FAULTS))

test-valgrind: deps
	@t/packages $(VALGRIND_PACKAGES)
	@$(MAKE) -s --no-print-directory static STATIC_OBJS=objs-valgrind \
		CC_OPT="$(VALGRIND_OPT)" LD_OPT=
	@t/under valgrind objs-valgrind/nginx -j$(JOBS) \
		$(call chosen,$(VALGRIND_TESTS))

# a real Prometheus, and promtool
test-monitoring:
	@t/packages $(BUILD_PACKAGES) $(DEMO_PACKAGES) openssl \
		$(MONITORING_PACKAGES)
	$(if $(filter undefined,$(origin TEST_NGINX_MODULE)),\
		@$(MAKE) -s --no-print-directory all)
	@prove -j$(JOBS) $(call chosen,t/monitoring) < /dev/null

# faults under load, with exact counts; these tests take a minute or less each
test-faults: deps
	$(if $(filter undefined,$(origin TEST_NGINX_MODULE)),\
		@$(MAKE) -s --no-print-directory all)
	@prove -j$(JOBS) $(call chosen,$(FAULTS)) < /dev/null

# a real Chromium
test-browser:
	@t/packages $(BUILD_PACKAGES) $(DEMO_PACKAGES) $(BROWSER_PACKAGES)
	$(if $(filter undefined,$(origin TEST_NGINX_MODULE)),\
		@$(MAKE) -s --no-print-directory all)
	@prove $(call chosen,t/browser) < /dev/null

# what a request costs, in bounds
test-cost:
	@t/packages $(BUILD_PACKAGES) $(DEMO_PACKAGES) $(COST_PACKAGES)
	$(if $(filter undefined,$(origin TEST_NGINX_MODULE)),\
		@$(MAKE) -s --no-print-directory all)
	@prove $(call chosen,t/bench) < /dev/null

# and beside other ways to do the same
bench:
	@t/packages $(BUILD_PACKAGES) $(DEMO_PACKAGES) $(BENCH_PACKAGES)
	@$(MAKE) -s --no-print-directory all
	@t/bench/table

# many keys and many workers: about 3 minutes
bench-growth:
	@t/packages $(BUILD_PACKAGES) $(DEMO_PACKAGES) openssl wrk
	@$(MAKE) -s --no-print-directory all
	@t/growth/measure

# other versions of nginx, in chroots
test-matrix:
	@t/packages $(MATRIX_PACKAGES)
	@TESTS="$(call chosen,$(TESTS) $(FAULTS))" t/matrix $(SUITES)

# TIME seconds for each harness, after its corpus
fuzz: deps-check
	@$(MAKE) -s --no-print-directory static CC=clang STATIC_OBJS=objs-fuzz \
		CC_OPT="$(ASAN_OPT) $(FUZZ_OPT)" LD_OPT="$(ASAN)"
	@CFLAGS="$(ASAN_OPT) $(FUZZ_OPT)" \
		t/fuzz/build objs-fuzz $(NGINX_SRC) $(HARNESSES)
	@printf '%s\n' $(HARNESSES) \
		| xargs -n 1 -P $(JOBS) t/fuzz/run objs-fuzz $(TIME)

check: style
	@$(MAKE) --no-print-directory deps-check
	@$(MAKE) --no-print-directory warnings CC=gcc OBJS=objs-gcc \
		ANALYZER=-fanalyzer
	@$(MAKE) --no-print-directory warnings CC=clang OBJS=objs-clang
	@$(MAKE) --no-print-directory cppcheck clang-tidy OBJS=objs-gcc
	@echo "check: no complaints"

warnings:
	@$(MAKE) -s --no-print-directory all \
		CC_OPT="-O2 -fPIC -Wall -Wextra -Wno-unused-parameter \
			-Wshadow -Wvla -Wstrict-prototypes -Werror $(ANALYZER)"

cppcheck:
	cppcheck --quiet --std=c99 --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability \
		--suppress='*:$(NGINX_DEV)/*' --suppress=missingInclude --suppress=toomanyconfigs \
		$(addprefix -I ,$(HEADERS)) -I $(OBJS) $(MODULE)

# .clang-tidy says what is looked for; nothing is, in nginx's own headers
clang-tidy:
	@echo "running clang-tidy"
	@printf '%s\n' $(wildcard $(MODULE)/*.c) | xargs -n 8 -P $(JOBS) sh -c \
		'found=$$(clang-tidy --quiet "$$@" -- -std=gnu99 -I $(OBJS) \
			$(addprefix -isystem ,$(HEADERS)) 2>&1) \
			|| { echo "$$found"; exit 1; }' clang-tidy

style:
	@t/style

clean:
	rm -rf objs objs-gcc objs-clang objs-asan objs-valgrind objs-fuzz objs-source $(STATIC_OBJS)
	find t -name __pycache__ -prune -exec rm -rf {} +

help:
	@echo "make            build $(SO) against the installed nginx"
	@echo "make install    put it into nginx's modules directory"
	@echo "make demo       see it work: install what is missing, build, run"
	@echo "make run        the demo's gateway, until Ctrl-C"
	@echo "make test       install what is missing, build, run the tests"
	@echo "                (TESTS=t/harness.t chooses, JOBS=1 one at a time)"
	@echo "make test-static  the same with a whole nginx, of Debian's source"
	@echo "make test-asan  and with sanitizers"
	@echo "make test-valgrind  some of them, and memcheck runs nginx"
	@echo "make test-monitoring  the metrics, rules and dashboard, with Prometheus"
	@echo "make test-faults  killed workers, reloads and the like, under load"
	@echo "make test-browser  the wall and the status page, with Chromium"
	@echo "make test-matrix  the tests with the nginx of other Debian releases"
	@echo "                (SUITES=trixie chooses; root only)"
	@echo "make test-cost  what a request costs, in bounds"
	@echo "make bench      what a request costs, beside other ways to do it"
	@echo "make bench-growth  what many keys and many workers cost"
	@echo "make fuzz       inputs made up by libFuzzer, TIME=60 seconds each"
	@echo "                (HARNESSES=key chooses)"
	@echo "make check      style, warnings as errors, static analysis"
	@echo "make static     a whole nginx with it (NGINX_SRC=<source tree>)"
	@echo "make deps       install what build, demo and tests need"
	@echo "make clean      remove what was built"
