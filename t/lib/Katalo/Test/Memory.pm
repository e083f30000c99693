package Katalo::Test::Memory;

# What a running process has in its memory, and what its core dump would show.
#
#   mappings($pid)            [{start, end, perms, flags => {lo => 1, ...}}]
#   holders($pid, $secret)    those mappings that hold a part of the secret
#   core_dump($pid, $path)    of the living process, as the kernel would do it
#   allocated($pid)           bytes that malloc() has given to a process whose
#                             standard error is a file; undef if gdb may not
#                             look.  It may be stopped anywhere but in malloc().
#   parts($secret)            what to look for: any 15 bytes of it in a row
#                             hold one of these
#   LARGEST                   a mapping with more bytes is a sanitizer's

use strict;
use warnings;

use Exporter qw(import);

use Katalo::Test::Process qw(slurp);

our @EXPORT_OK = qw(mappings holders core_dump allocated parts holds_part
                    LARGEST);

use constant { PART => 12, STEP => 4, BLOCK => 1 << 22, LARGEST => 1 << 34 };


sub mappings {
    my ($pid) = @_;
    my @mappings;

    for (split /\n/, slurp("/proc/$pid/smaps")) {
        if (/^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+\s*(.*)/) {
            no warnings qw(portable);
            push @mappings, { start => hex $1, end => hex $2, perms => $3,
                              name => $4, flags => {} };
        } elsif (/^VmFlags: (.*)/) {
            $mappings[-1]{flags} = { map { $_ => 1 } split ' ', $1 };
        }
    }

    return @mappings;
}


sub holders {
    my ($pid, $secret) = @_;
    my @holders;

    open my $memory, '<:raw', "/proc/$pid/mem" or die "memory of $pid: $!\n";

    for my $mapping (mappings($pid)) {
        next if $mapping->{perms} !~ /^r/ || $mapping->{name} =~ /^\[v/;
        push @holders, $mapping if _range_holds($memory, $mapping, $secret);
    }

    return @holders;
}


sub _range_holds {
    my ($memory, $mapping, $secret) = @_;
    my ($tail, $at) = ('', $mapping->{start});

    while ($at < $mapping->{end}) {
        my $left = $mapping->{end} - $at;

        sysseek $memory, $at, 0;
        my $got = sysread $memory, my $block, $left < BLOCK ? $left : BLOCK;
        return 0 if !$got;

        return 1 if holds_part($tail . $block, $secret);
        $tail = substr $block, -PART;
        $at += $got;
    }

    return 0;
}


sub holds_part {
    my ($text, $secret) = @_;

    for my $part (parts($secret)) {
        return 1 if index($text, $part) >= 0;
    }

    return 0;
}


sub parts {
    my ($secret) = @_;

    $secret =~ s/^kat_live_[^.]*\.//;

    return map { substr $secret, $_ * STEP, PART }
               0 .. (length($secret) - PART) / STEP;
}


sub core_dump {
    my ($pid, $path) = @_;

    system("gcore -o \Q$path\E $pid > \Q$path.log\E 2>&1 < /dev/null") == 0
        or die 'gcore: ' . slurp("$path.log");

    rename "$path.$pid", $path or die "$path.$pid: $!\n";

    return $path;
}


sub allocated {
    my ($pid) = @_;
    my $begun = -s "/proc/$pid/fd/2";

    system("gdb -q -nx -batch -p $pid -ex 'call (void) malloc_stats()'"
           . ' > /dev/null 2>&1 < /dev/null');

    my ($bytes) = substr(slurp("/proc/$pid/fd/2"), $begun)
                  =~ /^Total .*?^in use bytes += +(\d+)/ms;

    return $bytes;
}

1;
