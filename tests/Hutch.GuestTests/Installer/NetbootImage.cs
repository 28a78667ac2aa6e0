using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Text;
using System.Threading.Tasks;

namespace Hutch.GuestTests.Installer;

/// <summary>Kernel and initial RAM disk of Debian's installer, as the package debian-installer-*-netboot-amd64 of a release has them.</summary>
internal sealed class NetbootImage
{
    private const string KernelUdeb = "kernel-image-";
    private readonly byte[] _initrd;

    private NetbootImage(string kernel, byte[] initrd)
    {
        (Kernel, _initrd) = (kernel, initrd);
        Installed = ControlParagraph.ReadAll(Status(initrd)).ToDictionary(static package => package.Package);
        KernelVersion = Installed.Keys.Single(static name => name.StartsWith(KernelUdeb, StringComparison.Ordinal))[KernelUdeb.Length..^"-di".Length];
    }

    /// <summary>The kernel's file.</summary>
    internal string Kernel { get; }

    /// <summary>The release of the kernel, as uname -r says it.</summary>
    internal string KernelVersion { get; }

    /// <summary>The packages of the installer that are in the RAM disk.</summary>
    internal IReadOnlyDictionary<string, ControlParagraph> Installed { get; }

    /// <summary>Takes it out of the release's package.</summary>
    internal static async Task<NetbootImage> Take(DebianArchive archive, IEnumerable<ControlParagraph> packages, TemporaryFolder folder)
    {
        ControlParagraph package = packages.Last(static one => one.Package.StartsWith("debian-installer-", StringComparison.Ordinal) && one.Package.EndsWith("-netboot-amd64", StringComparison.Ordinal));
        string tree = folder.File("netboot");
        GrubDisk.Run("dpkg-deb", "-x", await archive.Fetch(package), tree);
        string text = Directory.GetDirectories(tree, "text", SearchOption.AllDirectories).Single();
        string Only(string name) => Directory.GetFiles(text, name, SearchOption.AllDirectories).Single();
        return new(Only("linux"), await File.ReadAllBytesAsync(Only("initrd.gz")));
    }

    /// <summary>Writes the RAM disk with one more file behind it, which the installer reads first: the answers to its questions.</summary>
    internal void WriteInitrd(string path, string preseed)
    {
        using FileStream output = File.Create(path);
        output.Write(_initrd);
        output.Write(new byte[-_initrd.Length & 3]);
        foreach ((string name, int mode, string content) in ((string, int, string)[])[("preseed.cfg", 0x81a4, preseed), ("TRAILER!!!", 0, "")])
            output.Write(Entry(name, mode, content));
    }

    // The format "newc" (cpio(5)): a header of hexadecimal numbers, the name, the content, each padded to four bytes.
    private static byte[] Entry(string name, int mode, string content)
    {
        StringBuilder entry = new("070701");
        foreach (int field in (int[])[1, mode, 0, 0, 1, 0, content.Length, 0, 0, 0, 0, name.Length + 1, 0]) entry.Append(field.ToString("x8", CultureInfo.InvariantCulture));
        entry.Append(name).Append('\0', 1 + (-(entry.Length + 1) & 3)).Append(content).Append('\0', -entry.Length & 3);
        return Encoding.ASCII.GetBytes(entry.ToString());
    }

    private static string Status(byte[] initrd)
    {
        using MemoryStream plain = new();
        using (GZipStream unpacked = new(new MemoryStream(initrd), CompressionMode.Decompress)) unpacked.CopyTo(plain);
        ReadOnlySpan<byte> rest = plain.GetBuffer().AsSpan(0, (int)plain.Length);
        while (rest.StartsWith("070701"u8))
        {
            int length = Field(rest, 6), nameLength = Field(rest, 11), content = 110 + nameLength + 3 & ~3;
            string name = Encoding.ASCII.GetString(rest.Slice(110, nameLength - 1));
            if (name.EndsWith("var/lib/dpkg/status", StringComparison.Ordinal)) return Encoding.UTF8.GetString(rest.Slice(content, length));
            rest = rest[(content + length + 3 & ~3)..];
        }
        throw new InvalidOperationException("The installer's RAM disk has no list of its packages.");

        static int Field(ReadOnlySpan<byte> header, int index) => int.Parse(Encoding.ASCII.GetString(header.Slice(6 + 8 * index, 8)), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
