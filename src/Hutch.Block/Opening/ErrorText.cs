using System.Runtime.InteropServices;
using Hutch.Block.Graph;

namespace Hutch.Block.Opening;

/// <summary>The kernel's words for its error numbers (strerror(3)).</summary>
public static class ErrorText
{
    /// <summary>The text of an error number.</summary>
    public static string Of(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    /// <summary>The text of a failure's error number.</summary>
    public static string Of(BlockIoException failure) => Of(failure.Errno);
}
