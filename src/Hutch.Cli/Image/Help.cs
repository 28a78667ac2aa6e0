using System.Collections.Generic;
using System.Text;
using Hutch.Block.Formats;

namespace Hutch.Cli.Image;

/// <summary>What the image tool tells about itself.</summary>
internal static class Help
{
    /// <summary>The release whose options, texts and exit statuses are kept to.</summary>
    private const string Release = "7.2.22";

    private const string Options = """

        Options of many commands:
          -f FMT            the image's format; it is found out where it is not said (dangerous for raw images)
          -O FMT            the format of the image that is made (raw)
          -o LIST           options of the format, NAME=VALUE,...; '-o help' lists them
          --object OBJECT   secret,id=ID,data=TEXT or file=PATH: a passphrase, which options name by its id
          --image-opts      file names are lists of options: driver=qcow2,file.filename=PATH,...
          -t CACHE, -T CACHE
                            how the target, the source is cached: none, writeback, writethrough, directsync, unsafe
          --output=human|json, --json
          -U                the image may be in use; what is read may change meanwhile
          -p, -q            show progress; say nothing but errors
        Sizes are bytes, or have a suffix k, M, G, T, P or E for powers of 1024.
        """;

    private const string Beyond = """

        Beyond the tool whose commands these are:
          --untrusted       info, check, compare, convert, map, measure: nothing is opened that an image names
          --no-sync         convert: the new image is neither made durable nor put in its place as a whole
          --undo FILE       check -r: keeps what is replaced; 'check --undo-apply FILE IMAGE' puts it back
          info              takes several images
        """;

    private static readonly string[] Syntax =
    [
        "amend [--object OBJECT] [--image-opts] [-p] [-q] [-f FMT] [-t CACHE] [--force] -o LIST IMAGE",
        "bench [-c COUNT] [-d DEPTH] [-f FMT] [--flush-interval=N] [-i AIO] [-n] [--no-drain] [-o OFFSET] [--pattern=BYTE] [-q] [-s SIZE] [-S STEP] [-t CACHE] [-w] [-U] IMAGE",
        "bitmap (--merge SOURCE | --add | --remove | --clear | --enable | --disable)... [-b IMAGE2 [-F FMT]] [-g GRANULARITY] [--object OBJECT] [--image-opts | -f FMT] IMAGE BITMAP",
        "check [--object OBJECT] [--image-opts] [-q] [-f FMT] [--output=OFMT] [-r leaks|all] [-T CACHE] [-U] IMAGE",
        "commit [--object OBJECT] [--image-opts] [-q] [-f FMT] [-t CACHE] [-b BASE] [-r RATE] [-d] [-p] IMAGE",
        "compare [--object OBJECT] [--image-opts] [-f FMT] [-F FMT] [-T CACHE] [-p] [-q] [-s] [-U] IMAGE1 IMAGE2",
        "convert [--object OBJECT] [--image-opts] [--target-image-opts] [--target-is-zero] [--bitmaps [--skip-broken-bitmaps]] [-U] [-C] [-c] [-p] [-q] [-n] [-f FMT] [-t CACHE] [-T CACHE] "
            + "[-O FMT] [-B BACKING [-F FMT]] [-o LIST] [-l SNAPSHOT] [-S SIZE] [-r RATE] [-m N] [-W] [--salvage] IMAGE [IMAGE...] TARGET",
        "create [--object OBJECT] [-q] [-f FMT] [-b BACKING [-F FMT]] [-u] [-o LIST] IMAGE [SIZE]",
        "dd [--image-opts] [-U] [-f FMT] [-O FMT] [bs=SIZE] [count=BLOCKS] [skip=BLOCKS] if=IMAGE of=TARGET",
        "info [--object OBJECT] [--image-opts] [-f FMT] [--output=OFMT] [--backing-chain] [-U] IMAGE",
        "map [--object OBJECT] [--image-opts] [-f FMT] [--start-offset=OFFSET] [--max-length=SIZE] [--output=OFMT] [-U] IMAGE",
        "measure [--output=OFMT] [-O FMT] [-o LIST] [--size N | [--object OBJECT] [--image-opts] [-f FMT] [-l SNAPSHOT] IMAGE]",
        "snapshot [--object OBJECT] [--image-opts] [-U] [-q] [-l | -a SNAPSHOT | -c SNAPSHOT | -d SNAPSHOT] IMAGE",
        "rebase [--object OBJECT] [--image-opts] [-U] [-q] [-f FMT] [-t CACHE] [-T CACHE] [-p] [-u] -b BACKING [-F FMT] IMAGE",
        "resize [--object OBJECT] [--image-opts] [-f FMT] [--preallocation=MODE] [-q] [--shrink] IMAGE [+ | -]SIZE",
    ];

    /// <summary>Prints how the tool is used.</summary>
    internal static int Print(Tool tool)
    {
        StringBuilder text = new();
        text.Append(Version(tool)).Append($"usage: {tool.Name} [-h | -V] COMMAND [OPTIONS]\nMakes, examines and changes disk images.\n\nCommand syntax:\n");
        foreach (string line in Syntax) text.Append("  ").Append(line).Append('\n');
        text.Append(Options).Append('\n');
        if (!tool.IsDropIn) text.Append(Beyond).Append("\n  io                commands for reading and writing parts of an image: hutch img io --help\n");
        text.Append("\nSupported formats:");
        List<string> names = [];
        foreach (ImageFormat format in ImageFormats.All) names.Add(format.Name);
        names.Sort(string.CompareOrdinal);
        foreach (string name in names) text.Append(' ').Append(name);
        tool.WriteLine(text.ToString());
        return 0;
    }

    /// <summary>Prints the version.</summary>
    internal static int PrintVersion(Tool tool)
    {
        tool.Write(Version(tool));
        return 0;
    }

    private static string Version(Tool tool) => $"{tool.Name} version {Release} (Hutch)\n";
}
