using System;
using System.IO;

namespace Hutch.Block.Nbd;

/// <summary>The other side does not keep to the protocol, or refuses. The message says what, without a name in front.</summary>
internal sealed class NbdException : IOException
{
    /// <summary>Creates the exception with its sentence.</summary>
    internal NbdException(string message) : base(message) { }

    /// <summary>Creates the exception with its sentence and the cause.</summary>
    internal NbdException(string message, Exception cause) : base(message, cause) { }
}
