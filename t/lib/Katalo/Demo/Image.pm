package Katalo::Demo::Image;

# A picture to upload: a PNG of one gradient.

use strict;
use warnings;

use Compress::Zlib qw(compress crc32);
use Exporter qw(import);

our @EXPORT_OK = qw(png);


sub png {
    my ($width, $height) = @_;
    my $pixels = '';

    for my $y (0 .. $height - 1) {
        $pixels .= "\0" . join '', map {
            chr(255 * $_ / $width) . chr(255 * $y / $height) . chr(160)
        } 0 .. $width - 1;
    }

    return "\x89PNG\r\n\x1a\n"
           . _chunk('IHDR', pack 'NNC5', $width, $height, 8, 2, 0, 0, 0)
           . _chunk('IDAT', compress($pixels))
           . _chunk('IEND', '');
}


sub _chunk {
    my ($type, $data) = @_;

    return pack('N', length $data) . $type . $data
           . pack('N', crc32($type . $data));
}

1;
