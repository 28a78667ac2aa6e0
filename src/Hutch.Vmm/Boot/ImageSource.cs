using System;
using System.IO;
using Hutch.Core.Memory;
using Hutch.Devices;
using Hutch.Host.Files;

namespace Hutch.Vmm.Boot;

/// <summary>The bytes of an image file. Untrusted: every offset that comes out of the image is checked against the length here.</summary>
internal abstract class ImageSource(string name) : IDisposable
{
    // One transfer to guest memory; a multiple of the page size well below what pread accepts.
    private const ulong ChunkBytes = 1 << 26;

    /// <summary>Name for messages: the path.</summary>
    internal string Name { get; } = name;

    /// <summary>Length in bytes.</summary>
    internal abstract long LengthBytes { get; }

    /// <summary>Opens a file. Throws <see cref="ConfigException"/> with one sentence.</summary>
    /// <param name="path">Host path.</param>
    /// <param name="what">"kernel" or "initrd", for the message.</param>
    internal static ImageSource Open(string path, string what)
    {
        if (Directory.Exists(path)) throw new ConfigException($"The {what} {path} is a directory; name a file.");
        try
        {
            return new FileImage(path, HostFile.Open(path));
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ConfigException($"The {what} {path} does not exist; check the path.", missing);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new ConfigException($"The {what} {path} cannot be opened ({refused.Message.TrimEnd('.')}); check its permissions.", refused);
        }
    }

    /// <summary>Fills <paramref name="destination"/> from <paramref name="offset"/>. False when that is not all inside the file.</summary>
    internal abstract bool TryRead(ulong offset, Span<byte> destination);

    /// <summary>Copies a range into guest RAM. Throws <see cref="ConfigException"/> when the file or RAM is too short.</summary>
    internal void Load(GuestMemory memory, ulong address, ulong offset, ulong lengthBytes)
    {
        while (lengthBytes != 0)
        {
            ulong length = Math.Min(lengthBytes, ChunkBytes);
            if (!memory.TryPin(address, length, out GuestBuffer buffer))
                throw new ConfigException($"{Name} does not fit into guest memory at 0x{address:x}; give the guest more memory.");
            if (!TryFill(offset, buffer)) throw new ConfigException($"{Name} could not be read to its end; the file is truncated or has changed.");
            address += length;
            offset += length;
            lengthBytes -= length;
        }
    }

    /// <summary>Fills the whole of a guest buffer from <paramref name="offset"/>.</summary>
    protected abstract bool TryFill(ulong offset, GuestBuffer buffer);

    /// <inheritdoc/>
    public abstract void Dispose();

    private sealed class FileImage(string path, HostFile file) : ImageSource(path)
    {
        internal override long LengthBytes => file.LengthBytes;

        internal override bool TryRead(ulong offset, Span<byte> destination) =>
            IsInside(offset, (ulong)destination.Length) && file.TryRead((long)offset, destination);

        protected override bool TryFill(ulong offset, GuestBuffer buffer)
        {
            if (!IsInside(offset, (ulong)buffer.Length) || !file.TryRead((long)offset, buffer.HostAddress, buffer.Length)) return false;
            buffer.MarkWritten(0, buffer.Length);
            return true;
        }

        public override void Dispose() => file.Dispose();
    }

    /// <summary>Whether [offset, offset + length) lies in the file; no sum can wrap.</summary>
    internal bool IsInside(ulong offset, ulong lengthBytes) =>
        lengthBytes <= (ulong)LengthBytes && offset <= (ulong)LengthBytes - lengthBytes;
}
