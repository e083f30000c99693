package Katalo::Test::Preload;

# A library, made of C, that nginx alone loads ahead of the C library.
#
#   my $library = Katalo::Test::Preload->new($source);
#   Katalo::Test->new(env => $library->env, ...)->start;
#   $library->dir                its directory, for what it shares with a test

use strict;
use warnings;

use File::Temp;

use Katalo::Test::Process qw(slurp);


sub new {
    my ($class, $source) = @_;
    my $dir = File::Temp->newdir('katalo-preload-XXXXXX', TMPDIR => 1);

    chmod 0755, "$dir";

    open my $file, '>', "$dir/it.c" or die "$dir/it.c: $!\n";
    print $file $source;
    close $file or die "$dir/it.c: $!\n";

    system("cc -O1 -fPIC -shared -o $dir/it.so $dir/it.c -ldl"
           . " > $dir/cc.log 2>&1") == 0
        or die 'cc: ' . slurp("$dir/cc.log");

    return bless { dir => $dir }, $class;
}


sub dir { return "$_[0]{dir}" }
sub env { return { LD_PRELOAD => "$_[0]{dir}/it.so" } }

1;
