using System;
using System.IO;
using System.Text;

namespace Hutch.Cli.Guests;

/// <summary>Writes a cpio archive in the format that the Linux kernel unpacks as its first root file system ("newc", linux/Documentation/driver-api/early-userspace/buffer-format.rst).</summary>
/// <param name="output">Receives the archive; stays open.</param>
internal sealed class CpioWriter(Stream output)
{
    private const uint TypeDirectory = 0x4000, TypeFile = 0x8000, TypeLink = 0xa000, TypeCharacter = 0x2000;

    private readonly Stream _output = output;
    private uint _inode;
    private long _position;

    /// <summary>Adds a directory. Parents must be there before what they hold.</summary>
    internal void Directory(string path, uint permissions = 0x1ed) => Entry(path, TypeDirectory | permissions, [], 0, 0);

    /// <summary>Adds a file.</summary>
    internal void File(string path, ReadOnlySpan<byte> content, uint permissions = 0x1a4) => Entry(path, TypeFile | permissions, content, 0, 0);

    /// <summary>Adds an executable file.</summary>
    internal void Program(string path, ReadOnlySpan<byte> content) => File(path, content, 0x1ed);

    /// <summary>Adds a symbolic link to <paramref name="target"/>.</summary>
    internal void Link(string path, string target) => Entry(path, TypeLink | 0x1ff, Encoding.UTF8.GetBytes(target), 0, 0);

    /// <summary>Adds a character device node.</summary>
    internal void Character(string path, uint major, uint minor) => Entry(path, TypeCharacter | 0x180, [], major, minor);

    /// <summary>Ends the archive.</summary>
    internal void Finish() => Entry("TRAILER!!!", 0, [], 0, 0);

    private void Entry(string path, uint mode, ReadOnlySpan<byte> content, uint major, uint minor)
    {
        byte[] name = Encoding.UTF8.GetBytes(path + '\0');
        uint inode = mode == 0 ? 0 : ++_inode;
        // magic, inode, mode, uid, gid, links, mtime, size, device of the archive (major, minor), device node (major, minor), name length, check.
        string header = $"070701{inode:X8}{mode:X8}{0:X8}{0:X8}{1:X8}{0:X8}{content.Length:X8}{0:X8}{0:X8}{major:X8}{minor:X8}{name.Length:X8}{0:X8}";
        Write(Encoding.ASCII.GetBytes(header));
        Write(name);
        Align();
        Write(content);
        Align();
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        _output.Write(bytes);
        _position += bytes.Length;
    }

    private void Align()
    {
        ReadOnlySpan<byte> zeros = [0, 0, 0];
        Write(zeros[..(int)(-_position & 3)]);
    }
}
