using System;

namespace Hutch.Host.Sockets;

/// <summary>One end of a stream of bytes whose calls never wait. Used by one thread.</summary>
public interface ILocalStream : IDisposable
{
    /// <summary>The most descriptors that go with one call.</summary>
    const int MostDescriptors = 8;

    /// <summary>For <see cref="Events.PollSet"/>; -1: there is nothing to wait for.</summary>
    int Descriptor { get; }

    /// <summary>The peer has closed its end for both directions, or the connection broke; there may be bytes to read all the same.</summary>
    bool IsPeerGone { get; }

    /// <summary>Reads what is there: the count, 0 when the peer sends no more, -1 when there is nothing now.</summary>
    /// <param name="destination">At least one byte.</param>
    int Receive(Span<byte> destination);

    /// <summary>Sends what finds room: the count, 0 when there is no room now, -1 when the peer is gone.</summary>
    /// <param name="source">At least one byte.</param>
    int Send(ReadOnlySpan<byte> source);

    /// <summary>As <see cref="Send(ReadOnlySpan{byte})"/>; with the first of the bytes the peer gets descriptors of its own for the same open files.</summary>
    /// <param name="source">At least one byte.</param>
    /// <param name="descriptors">At most <see cref="MostDescriptors"/>, which stay the caller's.</param>
    int Send(ReadOnlySpan<byte> source, ReadOnlySpan<int> descriptors);

    /// <summary>Sleeps until there is something to receive; false when <paramref name="timeoutMs"/> milliseconds passed before.</summary>
    bool WaitToReceive(int timeoutMs);

    /// <summary>Tells the peer that no more bytes come.</summary>
    void EndSending();
}

/// <summary>A place where peers come to. Used by one thread.</summary>
public interface ILocalStreamListener : IDisposable
{
    /// <summary>As <see cref="ILocalStream.Descriptor"/>.</summary>
    int Descriptor { get; }

    /// <summary>Takes a peer that waits; null: there is none.</summary>
    ILocalStream? TryAccept();
}

/// <summary>Where streams come from: the host's UNIX sockets, or a test's.</summary>
public interface ILocalStreams
{
    /// <summary>Listens on a path, for this user alone. Throws <see cref="Linux.LinuxException"/> or <see cref="System.IO.IOException"/>.</summary>
    ILocalStreamListener Listen(string path);

    /// <summary>Connects to whoever listens on a path; null where nobody does, or has no room for one more.</summary>
    ILocalStream? TryConnect(string path);
}
