package Katalo::Test::Tool;

# What nginx runs under, by TEST_NGINX_TOOL, and what that reported:
#
#   static    nothing, but nginx is one program with the module in it
#   asan      the same, with AddressSanitizer and UndefinedBehaviorSanitizer
#   valgrind  the same, and memcheck runs it
#
# A report of any process fails the test, whatever its assertions say.  The
# tests that cannot run are named here, and nowhere else.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Temp;
use Test::More ();

my $tool = $ENV{TEST_NGINX_TOOL} // '';

my %skipped = (
    asan => {
        'daemon.t' => 'memory is locked, and the tool makes mlock() do nothing',
        'many_keys.t' => 'replaces functions that the tool replaces, too',
        'memory.t' => 'looks at mappings, and the tool has terabytes of them',
        'no_memory.t' => 'replaces malloc(), and so does the tool',
        'secret_scan.t' => 'dumps memory, and the tool keeps what was freed',
    },
    valgrind => {
        'key_sources.t' => 'counts copies of a key, and the tool has its own',
        'daemon.t' => 'looks at mappings, and the tool has its own',
        'memory.t' => 'looks at mappings, and the tool has its own',
        'no_memory.t' => 'replaces malloc(), and so does the tool',
        'secret_scan.t' => 'dumps memory, and the tool keeps what was freed',
    },
);

# how much longer than nginx by itself everything may take
my %slowness = (asan => 4, valgrind => 4);

my %wrapper = (asan => \&_asan, valgrind => \&_valgrind);
my %finds = (asan => qr/\S/,
             # between head and summary, which a killed process has not
             valgrind => qr/^==\d+==\ Parent\ PID:\ \d+\n(?:==\d+==\ *\n)*+
                            (?!==\d+==\ *HEAP\ SUMMARY|\z)
                            | ERROR\ SUMMARY:\ [1-9]/mx);

my $here = abs_path(dirname(__FILE__) . '/../../..');
my $directory;

if (my $reason = $skipped{$tool}{ basename($0) }) {
    Test::More::plan(skip_all => "under $tool: $reason");
}


sub reporting { return exists $slowness{$tool} }


# Is there a copy of the environment that nginx does not know of?
sub keeps_environment { return $tool eq 'asan' }


sub slowness { return $slowness{$tool} // 1 }


# Does /proc have the title that a process gives itself?
sub shows_titles { return $tool ne 'valgrind' }


# The command, as it is to be run.
sub wrap {
    my (@command) = @_;

    return @command if !reporting();

    $directory //= _directory();

    return ($wrapper{$tool}->(), @command);
}


sub _asan {
    my $options = join ':', "log_path=$directory/report",
                            qw(detect_leaks=0 detect_stack_use_after_return=1
                               strict_string_checks=1 print_stacktrace=1
                               allow_addr2line=1 handle_abort=1);

    return ('/usr/bin/env', "ASAN_OPTIONS=$options",
            "UBSAN_OPTIONS=$options");
}


sub _valgrind {
    return ('/usr/bin/valgrind', "--log-file=$directory/report.%p",
            "--suppressions=$here/valgrind.supp", '--leak-check=full',
            '--show-leak-kinds=definite', '--errors-for-leak-kinds=definite',
            '--num-callers=20', '--vgdb=no', '--trace-children=yes');
}


# Workers may be of any user.
sub _directory {
    my $new = File::Temp->newdir('katalo-tool-XXXXXX', TMPDIR => 1);

    chmod 01777, "$new";

    return $new;
}


# How many reports there are; they are shown.
sub reports {
    return 0 if !$directory;

    require Katalo::Test::Secrets;
    my $count = 0;

    for my $path (glob "$directory/*") {
        open my $file, '<', $path or next;
        my $text = do { local $/; <$file> } // '';

        next if $text !~ $finds{$tool};

        Test::More::diag("$tool reports:\n"
                         . Katalo::Test::Secrets::redact($text));
        $count++;
    }

    return $count;
}

1;
