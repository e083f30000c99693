#!/usr/bin/perl

# t/prove: a file that failed is run once more if RETRY is set, and is listed.

use strict;
use warnings;

use FindBin;
use File::Temp qw(tempdir);
use Test::More;

my $directory = tempdir(CLEANUP => 1);


sub add {
    my ($name, $text) = @_;

    open my $file, '>', "$directory/$name" or die "$directory/$name: $!\n";
    print $file "use Test::More tests => 1;\n$text\n";

    return close $file;
}


sub proves {
    my ($retry) = @_;
    local $ENV{RETRY} = $retry;

    unlink "$directory/ran";
    my $output = `"$FindBin::Bin/prove" -j2 "$directory" 2>&1`;

    return ($? >> 8, $output =~ m{^unsteady: \S+/(\S+)$}mg);
}


add('steady.t', 'pass();');
is_deeply([proves('yes')], [0], 'all pass at once');

add('unsteady.t', <<"EOC");
ok(-e '$directory/ran');
open my \$file, '>', '$directory/ran' or die;
EOC
is_deeply([proves('')], [1], 'one that fails once fails');
is_deeply([proves('yes')], [0, 'unsteady.t'], 'with RETRY, it is listed');

add('wrong.t', 'fail();');
is_deeply([proves('yes')], [1], 'one that fails twice fails');

add('wrong.t', 'die;');
is_deeply([proves('yes')], [1], 'as does one that dies');

done_testing();
